// Limits of the whole account: the fence around every key. They are set all at once; what is left empty is unlimited. What is typed keeps the version that
// it began from, so that of two people at once the later one is told, reads what stands now, and loses nothing that they typed.
import {
  Button,
  Card,
  Group,
  NumberInput,
  Select,
  SimpleGrid,
  Stack,
  Switch,
  Text,
  TextInput,
  Title,
} from '@mantine/core'
import { useState } from 'react'
import type { AccountLimitsRequest, AccountLimitsView, BudgetPeriod } from '../../../protocol/auth.ts'
import { isUsdSent } from '../../../protocol/units.ts'
import { api, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { accountQuery } from '../session/session.ts'
import { usd } from '../ui/money.tsx'
import { TypedMeanwhile } from '../ui/typed-meanwhile.tsx'
import { When } from '../ui/when.tsx'

const PERIODS: Readonly<Record<BudgetPeriod, string>> = {
  day: 'a day',
  week: 'a week',
  month: 'a month',
  total: 'in all',
}
const PERIOD_NAMES = ['day', 'week', 'month', 'total'] as const

interface Typed {
  /** of the limits that it was made of */
  readonly version: number
  readonly usd: string
  readonly period: BudgetPeriod
  readonly isBudgetShadow: boolean
  readonly rpm: string
  readonly tpm: string
  readonly concurrency: string
  readonly isRateShadow: boolean
}

export function LimitsCard({ limits }: { limits: AccountLimitsView }) {
  const [typed, setTyped] = useState<Typed | null>(null)
  const now = typed ?? typedOf(limits)
  const set = (part: Partial<Typed>) => setTyped({ ...now, ...part })
  const save = useAction({
    run: (request: AccountLimitsRequest) => read(api.api.account.limits.$put({ json: request })),
    say: () => 'The limits hold from the next call on.',
    changes: [accountQuery.queryKey],
    then: () => setTyped(null),
  })
  const isOlder = now.version !== limits.version
  const isUsdWrong = now.usd !== '' && !isUsdSent(now.usd)
  return (
    <Card withBorder component="section" aria-label="Limits of the whole account">
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (!isUsdWrong) save.mutate(requestOf(now))
        }}
      >
        <Stack>
          <Title order={2} size="h4">
            Limits of the whole account
          </Title>
          <Text size="sm" c="dimmed">
            They hold for all API keys together, beside the limits of each key. Empty means no limit.
          </Text>
          <Use limits={limits} />
          <SimpleGrid cols={{ base: 1, xs: 2 }}>
            <TextInput
              label="Spend at most, $"
              inputMode="decimal"
              value={now.usd}
              error={isUsdWrong ? 'Dollars, such as 25 or 0.5.' : null}
              onChange={(event) => set({ usd: event.currentTarget.value.trim() })}
            />
            <Select
              label="Counted over"
              allowDeselect={false}
              data={PERIOD_NAMES.map((value) => ({ value, label: PERIODS[value] }))}
              value={now.period}
              onChange={(chosen) => set({ period: PERIOD_NAMES.find((name) => name === chosen) ?? now.period })}
            />
          </SimpleGrid>
          <Switch
            label="Only count what this budget would refuse, and refuse nothing"
            checked={now.isBudgetShadow}
            onChange={(event) => set({ isBudgetShadow: event.currentTarget.checked })}
          />
          <SimpleGrid cols={{ base: 1, xs: 3 }}>
            <Count label="Calls a minute" max={1_000_000} value={now.rpm} onChange={(rpm) => set({ rpm })} />
            <Count label="Tokens a minute" max={1_000_000_000} value={now.tpm} onChange={(tpm) => set({ tpm })} />
            <Count
              label="Calls at the same time"
              max={10_000}
              value={now.concurrency}
              onChange={(concurrency) => set({ concurrency })}
            />
          </SimpleGrid>
          <Switch
            label="Only count what these rates would refuse, and refuse nothing"
            checked={now.isRateShadow}
            onChange={(event) => set({ isRateShadow: event.currentTarget.checked })}
          />
          {isOlder && (
            <TypedMeanwhile
              title="Somebody else changed the limits meanwhile"
              now={`They are now: ${limitWords(limits)}.`}
              onGoOn={() => setTyped({ ...now, version: limits.version })}
            />
          )}
          <Group>
            <Button type="submit" loading={save.isPending} disabled={typed === null || isUsdWrong || isOlder}>
              Save the limits
            </Button>
            {typed !== null && (
              <Button variant="default" onClick={() => setTyped(null)}>
                Leave them as they are
              </Button>
            )}
          </Group>
        </Stack>
      </form>
    </Card>
  )
}

function Use({ limits: { limit, shadowRefused, shadowRefusedAt } }: { limits: AccountLimitsView }) {
  return (
    <Text size="sm">
      {limit === null
        ? 'No budget is set.'
        : `Spent ${usd(limit.spent)} of ${usd(limit.usd)} ${PERIODS[limit.period]}, and ${usd(limit.held)} set aside.`}
      {limit !== null && limit.resetsAt !== null && (
        <>
          {' '}
          It begins anew <When at={limit.resetsAt} />.
        </>
      )}
      {shadowRefused > 0 && (
        <>
          {' '}
          {shadowRefused} {shadowRefused === 1 ? 'call' : 'calls'} would have been refused, the last{' '}
          <When at={shadowRefusedAt} />.
        </>
      )}
    </Text>
  )
}

function Count(props: { label: string; max: number; value: string; onChange: (value: string) => void }) {
  const { onChange, ...rest } = props
  return <NumberInput {...rest} min={1} allowDecimal={false} onChange={(value) => onChange(String(value))} />
}

/** @example '$5.00 a month, 60 calls a minute' */
function limitWords({ limit, rateLimit: { rpm, tpm, concurrency, shadow } }: AccountLimitsView): string {
  const count = (number: number | null, what: string) =>
    number === null ? [] : [`${number.toLocaleString('en')} ${what}`]
  const said = [
    ...(limit === null ? [] : [`${usd(limit.usd)} ${PERIODS[limit.period]}${limit.shadow ? ' (counted only)' : ''}`]),
    ...count(rpm, 'calls a minute'),
    ...count(tpm, 'tokens a minute'),
    ...count(concurrency, 'calls at the same time'),
    ...(shadow ? ['rates counted only'] : []),
  ]
  return said.length === 0 ? 'none' : said.join(', ')
}

const typedOf = ({ limit, rateLimit, version }: AccountLimitsView): Typed => ({
  version,
  usd: limit === null ? '' : limit.usd.replace(/\.?0+$/, ''),
  period: limit?.period ?? 'month',
  isBudgetShadow: limit?.shadow ?? false,
  rpm: String(rateLimit.rpm ?? ''),
  tpm: String(rateLimit.tpm ?? ''),
  concurrency: String(rateLimit.concurrency ?? ''),
  isRateShadow: rateLimit.shadow,
})

function requestOf({
  version,
  usd: amount,
  period,
  isBudgetShadow,
  rpm,
  tpm,
  concurrency,
  isRateShadow,
}: Typed): AccountLimitsRequest {
  const rates = {
    ...(rpm !== '' && { rpm: Number(rpm) }),
    ...(tpm !== '' && { tpm: Number(tpm) }),
    ...(concurrency !== '' && { concurrency: Number(concurrency) }),
  }
  return {
    version,
    ...(amount !== '' && { limit: { usd: amount, period, shadow: isBudgetShadow } }),
    ...(Object.keys(rates).length > 0 && { rateLimit: { ...rates, shadow: isRateShadow } }),
  }
}
