// A node's state, how it is reached and its numbers, in the words of every page that shows them.
import { Badge, Text } from '@mantine/core'
import type { ReactNode } from 'react'
import type { NodeState, NodeView } from '../../../protocol/node.ts'
import { When } from '../ui/when.tsx'

const COLOURS: Readonly<Record<NodeState, string>> = {
  pending: 'yellow',
  probation: 'cyan',
  active: 'green',
  draining: 'orange',
  suspended: 'red',
  revoked: 'gray',
}

/** The word says it; the dot only helps. */
export function StateBadge({ state }: { state: NodeState }) {
  return (
    <Badge variant="dot" color={COLOURS[state]} tt="none" fw={500} miw="max-content">
      {state}
    </Badge>
  )
}

/** What each state means, for who meets the word for the first time. */
export const STATE_WORDS: Readonly<Record<NodeState, string>> = {
  pending: 'The gateway has not seen it answer yet. It gets no calls.',
  probation: 'It serves, with a small share of the calls; part of what it earns waits.',
  active: 'It serves with its full share of the calls.',
  draining: 'It finishes what it has and gets no new calls.',
  suspended: 'The house or an audit stopped it. It gets no calls.',
  revoked: 'You took its authorisation back. It gets no calls.',
}

/** By its link, with since when; or its address. */
export function Reached({ node }: { node: Pick<NodeView, 'link' | 'endpoint'> }): ReactNode {
  const { link, endpoint } = node
  if (!link)
    return (
      <Text span inherit style={{ overflowWrap: 'anywhere' }}>
        {endpoint}
      </Text>
    )
  if (link.upSince !== null)
    return (
      <>
        link, up since <When at={link.upSince} />
      </>
    )
  if (link.downSince === null) return 'link, never up yet'
  return (
    <>
      link, down since <When at={link.downSince} />
    </>
  )
}

const WHOLE = new Intl.NumberFormat()
export const count = (value: number): string => WHOLE.format(value)

/** @example share(0.973) // '97.3 %' */
export const share = (value: number | null | undefined): string =>
  value === null || value === undefined ? '–' : `${Math.round(value * 1_000) / 10} %`

export const ms = (value: number | null | undefined): string =>
  value === null || value === undefined ? '–' : `${count(Math.round(value))} ms`

export const perSecond = (value: number | null | undefined): string =>
  value === null || value === undefined ? '–' : `${value.toFixed(value < 10 ? 1 : 0)} units/s`
