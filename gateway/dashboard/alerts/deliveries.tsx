// What was sent to a webhook and how it went; each message can be sent once more.
import { Button, Text } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import type { DeliveryError, DeliveryView } from '../../../protocol/webhook.ts'
import { api, read } from '../data/api.ts'
import { REFRESH_MS } from '../data/query-client.ts'
import { useAction } from '../data/use-action.ts'
import { PagedRecords } from '../ui/records.tsx'
import { Empty } from '../ui/state.tsx'
import { When } from '../ui/when.tsx'
import { eventName } from './event-names.ts'

export const DELIVERIES = ['deliveries']

export function Deliveries({ webhookId, isDisabled }: { webhookId: string; isDisabled: boolean }) {
  const param = { id: webhookId }
  const deliveries = useInfiniteQuery({
    queryKey: [...DELIVERIES, webhookId],
    queryFn: ({ pageParam }) =>
      read(api.api.webhooks[':id'].deliveries.$get({ param, query: pageParam === null ? {} : { cursor: pageParam } })),
    initialPageParam: null as string | null, // the type of the pages' cursors
    getNextPageParam: ({ nextCursor }) => nextCursor,
    refetchInterval: REFRESH_MS,
  })
  const replay = useAction({
    run: (deliveryId: string) =>
      read(api.api.webhooks[':id'].deliveries[':deliveryId'].replay.$post({ param: { ...param, deliveryId } })),
    say: (delivery) => `Sent again: ${outcomeOf(delivery)}.`,
    changes: [[...DELIVERIES, webhookId], ['webhooks']],
  })
  return (
    <PagedRecords
      caption="Deliveries, newest first"
      query={deliveries}
      keyOf={({ id }) => id}
      empty={
        <Empty title="Nothing was sent yet">
          <Text>Send a test to see whether your program is reached.</Text>
        </Empty>
      }
      columns={[
        { title: 'Event', cell: ({ type }) => eventName(type) },
        { title: 'When', cell: ({ createdAt }) => <When at={createdAt} /> },
        { title: 'Outcome', cell: outcomeOf },
        { title: 'Tries', isNumber: true, cell: ({ tries }) => tries },
        { title: 'Took', isNumber: true, cell: ({ ms }) => (ms === null ? '–' : `${ms.toLocaleString('en')} ms`) },
        { title: 'Next try', cell: ({ nextAt }) => <When at={nextAt} /> },
        {
          title: 'Again',
          cell: ({ id, type, createdAt }) => (
            <Button
              size="compact-xs"
              variant="default"
              disabled={isDisabled}
              loading={replay.isPending && replay.variables === id}
              aria-label={`Send again: ${eventName(type)} of ${createdAt}`}
              onClick={() => replay.mutate(id)}
            >
              Send again
            </Button>
          ),
        },
      ]}
    />
  )
}

const ERRORS: Readonly<Record<DeliveryError, string>> = {
  address_refused: 'its address is not acceptable any more',
  connection_failed: 'nothing answered there',
  timeout: 'it took too long to answer',
  redirected: 'it sent us elsewhere, which is not followed',
  refused: 'it refused',
  gone: 'it wants nothing more',
  secret_lost: 'its secret cannot be read any more: make a new one',
  disabled: 'the webhook was disabled',
}

/** @example 'delivered (status 200)' */
export function outcomeOf({ state, status, error }: DeliveryView): string {
  const answer = status === null ? '' : ` (status ${status})`
  if (state === 'delivered') return `delivered${answer}`
  const why = error === null ? '' : `: ${ERRORS[error]}`
  return `${state === 'pending' ? 'to be tried again' : 'failed'}${why}${answer}`
}
