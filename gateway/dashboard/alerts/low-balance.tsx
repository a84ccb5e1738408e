// The alert of a low balance: told once when a call takes the balance below it, and again when it has been above since.
import { Button, Card, Group, Stack, Text, TextInput, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { fromUsd, isUsdSent } from '../../../protocol/units.ts'
import { api, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { usd } from '../ui/money.tsx'
import { Loaded } from '../ui/state.tsx'
import { TypedMeanwhile } from '../ui/typed-meanwhile.tsx'

const KEY = ['alerts']

export function LowBalance() {
  const alerts = useQuery({ queryKey: KEY, queryFn: () => read(api.api.account.alerts.$get()) })
  return (
    <Card withBorder component="section" aria-label="Low balance">
      <Stack>
        <Title order={2} size="h4">
          Low balance
        </Title>
        <Loaded query={alerts} rows={2}>
          {({ balanceLowUsd, version }) => <Threshold balanceLowUsd={balanceLowUsd} version={version} />}
        </Loaded>
      </Stack>
    </Card>
  )
}

interface Draft {
  readonly text: string
  /** of the level that it began from */
  readonly version: number
}

/** What is typed keeps the version that it began from: who comes second is told, reads what stands now, and loses nothing that they typed. */
function Threshold({ balanceLowUsd, version }: { balanceLowUsd: string; version: number }) {
  const isOn = fromUsd(balanceLowUsd) > 0n
  const [draft, setDraft] = useState<Draft | null>(null)
  const typed = draft?.text ?? (isOn ? balanceLowUsd.replace(/\.?0+$/, '') : '')
  const save = useAction({
    run: (amount: string) =>
      read(api.api.account.alerts.$put({ json: { balanceLowUsd: amount, version: draft?.version ?? version } })),
    say: ({ balanceLowUsd: now }) =>
      fromUsd(now) > 0n ? `You will be told when the balance falls below ${usd(now)}.` : 'The alert is off.',
    changes: [KEY],
    then: () => setDraft(null),
  })
  const isOlder = draft !== null && draft.version !== version
  const isWrong = typed !== '' && !isUsdSent(typed)
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        if (!isWrong && !isOlder) save.mutate(typed === '' ? '0' : typed)
      }}
    >
      <Stack>
        <Text size="sm">
          {isOn
            ? `You are told when the balance falls below ${usd(balanceLowUsd)}.`
            : 'You are not told when the balance runs low.'}
        </Text>
        <Group align="flex-end">
          <TextInput
            label="Tell me below, $"
            inputMode="decimal"
            placeholder="off"
            value={typed}
            error={isWrong ? 'Dollars, such as 5 or 0.5; empty for off.' : null}
            onChange={(event) =>
              setDraft({ text: event.currentTarget.value.trim(), version: draft?.version ?? version })
            }
          />
          <Button type="submit" loading={save.isPending} disabled={isWrong || isOlder}>
            Save
          </Button>
          {draft !== null && (
            <Button variant="default" onClick={() => setDraft(null)}>
              Leave it as it is
            </Button>
          )}
        </Group>
        {isOlder && (
          <TypedMeanwhile
            title="Somebody else changed the level meanwhile"
            now={isOn ? `It is ${usd(balanceLowUsd)} now.` : 'The alert is off now.'}
            onGoOn={() => setDraft({ ...draft, version })}
          />
        )}
      </Stack>
    </form>
  )
}
