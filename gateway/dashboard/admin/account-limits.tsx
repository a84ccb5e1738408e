// What an account may spend by its own rules: its limits, and those of each of its newest keys. An admin reads them and changes none.
import { Card, Stack, Text, Title } from '@mantine/core'
import type { LimitsView } from '../../../protocol/auth.ts'
import type { AccountMoneyReply, KeyLimitsView } from '../../../protocol/money.ts'
import { Cap, isGone, rateWords } from '../consumer/key-state.tsx'
import { quantity } from '../ui/quantity.ts'
import { Records } from '../ui/records.tsx'
import { When } from '../ui/when.tsx'

interface Row extends LimitsView {
  readonly id: string
  readonly name: string
  readonly state: string
}

export function AccountLimits({ money: { limits, keys = [] } }: { money: AccountMoneyReply }) {
  if (limits === undefined) return null
  const rows: Row[] = [
    { ...limits, id: 'account', name: 'The whole account', state: '' },
    ...keys.map((key) => ({ ...key, state: stateOf(key) })),
  ]
  return (
    <Card withBorder component="section" aria-label="Limits and budgets">
      <Stack gap="xs">
        <Title order={2} size="h4">
          Limits and budgets
        </Title>
        <Text size="sm" c="dimmed">
          Set by the account itself: for all its keys together, and for each of the newest{' '}
          {quantity(keys.length, 'keys')}.
        </Text>
        <Records
          caption="Limits and budgets"
          rows={rows}
          keyOf={({ id }) => id}
          columns={[
            { title: 'Of', cell: ({ name, state }) => (state === '' ? name : `${name} (${state})`) },
            { title: 'Budget', cell: ({ limit }) => <Cap limit={limit} /> },
            { title: 'Rates', cell: ({ rateLimit }) => rateWords(rateLimit) },
            { title: 'Open calls', isNumber: true, cell: ({ openCalls }) => openCalls },
            {
              title: 'A shadow would have refused',
              cell: ({ shadowRefused, shadowRefusedAt }) =>
                shadowRefused === 0 ? (
                  '–'
                ) : (
                  <>
                    {quantity(shadowRefused, 'calls')}, the last <When at={shadowRefusedAt} />
                  </>
                ),
            },
          ]}
        />
      </Stack>
    </Card>
  )
}

const stateOf = (key: KeyLimitsView): string =>
  key.revokedAt !== null ? 'revoked' : isGone(key, Date.now()) ? 'expired' : 'good'
