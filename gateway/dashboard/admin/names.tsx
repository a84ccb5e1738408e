// Accounts, nodes, models and states as the house's pages name them: each leads to its page.
import { Badge } from '@mantine/core'
import { TextLink } from '../ui/links.tsx'
import { shortAddress } from '../ui/short.ts'

export function AccountName({ id }: { id: string }) {
  // The house's own accounts (`house:fees` …) exist in the book only.
  if (id.includes(':') || id === 'house') return <>{id}</>
  return (
    <TextLink to="/admin/accounts/$accountId" params={{ accountId: id }} inherit title={id}>
      {shortAddress(id)}
    </TextLink>
  )
}

export function NodeName({ id, name }: { id: string; name?: string }) {
  return (
    <TextLink to="/admin/nodes/$nodeId" params={{ nodeId: id }} inherit title={id} style={{ overflowWrap: 'anywhere' }}>
      {name ?? shortAddress(id)}
    </TextLink>
  )
}

export function ModelName({ id }: { id: string }) {
  const [author = '', name = ''] = id.split('/')
  return (
    <TextLink to="/models/$author/$name" params={{ author, name }} inherit style={{ overflowWrap: 'anywhere' }}>
      {id}
    </TextLink>
  )
}

const COLORS: Readonly<Record<string, string>> = {
  active: 'green',
  live: 'green',
  paid: 'green',
  refunded: 'green',
  acted: 'green',
  open: 'orange',
  requested: 'orange',
  probation: 'cyan',
  pending: 'yellow',
  filed: 'cyan',
  draining: 'orange',
  deprecated: 'yellow',
  suspended: 'red',
  blocked: 'red',
}

/** The word says it; the dot only helps. */
export function StateWord({ state }: { state: string }) {
  return (
    <Badge variant="dot" color={COLORS[state] ?? 'gray'} tt="none" fw={500}>
      {state.replaceAll('_', ' ')}
    </Badge>
  )
}
