// How a key stands: good, expired, revoked; and how much of its cap is left.
import { Progress, Stack, Text } from '@mantine/core'
import type { KeyView } from '../../../protocol/auth.ts'
import { fromUsd, nanos, toUsd } from '../../../protocol/units.ts'
import { usd } from '../ui/money.tsx'
import { When } from '../ui/when.tsx'
import { Mark } from './mark.tsx'

export const isGone = ({ revokedAt, expiresAt }: Pick<KeyView, 'revokedAt' | 'expiresAt'>, now: number): boolean =>
  revokedAt !== null || (expiresAt !== null && Date.parse(expiresAt) <= now)

export function KeyState({ state }: { state: KeyView }) {
  const { revokedAt, expiresAt, oldKeyUntil } = state
  const [words, color] =
    revokedAt !== null
      ? (['revoked', 'red'] as const)
      : isGone(state, Date.now())
        ? (['expired', 'gray'] as const)
        : (['good', 'teal'] as const)
  return (
    <Stack gap={2} align="flex-start">
      <Mark words={words} color={color} />
      {revokedAt === null && oldKeyUntil !== null && (
        <Text size="xs" c="dimmed">
          its old secret until <When at={oldKeyUntil} />
        </Text>
      )}
      {revokedAt === null && expiresAt !== null && (
        <Text size="xs" c="dimmed">
          until <When at={expiresAt} />
        </Text>
      )}
    </Stack>
  )
}

const PERIODS = { day: 'a day', week: 'a week', month: 'a month', total: 'in all' } as const

/** Spent and left as a bar; holds of calls under way count as spent, because they may be. */
export function Cap({ limit }: { limit: KeyView['limit'] }) {
  if (limit === null) return <Text size="sm">no cap</Text>
  const all = fromUsd(limit.usd)
  const used = fromUsd(limit.spent) + fromUsd(limit.held)
  const left = used >= all ? nanos(0n) : nanos(all - used)
  // A share for the bar alone; amounts stay whole.
  const share = all === 0n ? 100 : Math.min(100, Number((used * 1_000n) / all) / 10)
  return (
    <Stack gap={4} miw={160}>
      <Text size="sm">
        {usd(limit.usd)} {PERIODS[limit.period]}
        {limit.shadow && ', counted only'}
      </Text>
      <Progress
        value={share}
        color={share >= 90 ? 'red' : 'blue'}
        aria-label={`${usd(limit.spent)} of ${usd(limit.usd)} spent`}
      />
      <Text size="xs" c="dimmed">
        {usd(limit.spent)} spent, {usd(toUsd(left))} left
        {limit.resetsAt !== null && (
          <>
            {', anew '}
            <When at={limit.resetsAt} />
          </>
        )}
      </Text>
    </Stack>
  )
}

/** @example '60 calls a minute, 2 at the same time' */
export function rateWords({ rpm, tpm, concurrency, shadow }: KeyView['rateLimit']): string {
  const said = [
    rpm === null ? null : `${rpm} calls a minute`,
    tpm === null ? null : `${tpm} tokens a minute`,
    concurrency === null ? null : `${concurrency} at the same time`,
  ].filter((words) => words !== null)
  if (said.length === 0) return 'none'
  return `${said.join(', ')}${shadow ? ' (counted only)' : ''}`
}
