// The three things a page shows while it has nothing to show: that it is being fetched, that there is nothing and what to do next, that it failed.
import { Alert, Button, Skeleton, Stack, Text, Title } from '@mantine/core'
import type { UseQueryResult } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { messageOf } from '../data/message-of.ts'

/** Rows of grey where the answer will stand, as high as it will be. */
export function Loading({ rows = 6, height = 28 }: { rows?: number; height?: number }) {
  return (
    <Stack gap="xs" aria-busy="true" aria-label="Loading">
      {Array.from({ length: rows }, (_, i) => (
        <Skeleton key={i} height={height} />
      ))}
    </Stack>
  )
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <Stack align="flex-start" gap="xs" py="lg">
      <Text fw={600}>{title}</Text>
      {children}
    </Stack>
  )
}

export function Failed({ error, again }: { error: unknown; again: () => void }) {
  return (
    <Alert color="red" title="This could not be loaded" role="alert">
      <Stack align="flex-start" gap="xs">
        <Text size="sm">{messageOf(error)}</Text>
        <Button variant="default" size="xs" onClick={again}>
          Try again
        </Button>
      </Stack>
    </Alert>
  )
}

/** A query's three states around what it brought. */
export function Loaded<T>({
  query,
  rows,
  children,
}: {
  query: UseQueryResult<T>
  rows?: number
  children: (data: T) => ReactNode
}) {
  if (query.data !== undefined) return <>{children(query.data)}</>
  if (query.isError) return <Failed error={query.error} again={() => void query.refetch()} />
  return <Loading rows={rows} />
}

/** A page's heading, what it is for in one sentence, and its actions. Sets the title of the window. */
export function Page({
  title,
  intro,
  actions,
  children,
}: {
  title: string
  intro?: ReactNode
  actions?: ReactNode
  children: ReactNode
}) {
  return (
    // What others wrote may be one word without end; tables, which scroll, keep their columns.
    <Stack maw={1200} mx="auto" style={{ overflowWrap: 'break-word' }}>
      <title>{`${title} – Souk`}</title>
      <Stack gap={4}>
        <Stack gap="xs" style={{ flexDirection: 'row', flexWrap: 'wrap', justifyContent: 'space-between' }}>
          <Title order={1} size="h2" tabIndex={-1} style={{ overflowWrap: 'anywhere', outline: 'none' }}>
            {title}
          </Title>
          {actions}
        </Stack>
        {intro !== undefined && (
          <Text c="dimmed" style={{ overflowWrap: 'anywhere' }}>
            {intro}
          </Text>
        )}
      </Stack>
      {children}
    </Stack>
  )
}
