// One pay-out file: what is in it, the file itself for who pays by it, and that it was paid.
import { Button, Card, Group, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useState } from 'react'
import { api, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { Confirm } from '../ui/confirm.tsx'
import { bytesOf, download } from '../ui/download.ts'
import { Money, usd } from '../ui/money.tsx'
import { Records } from '../ui/records.tsx'
import { Loaded } from '../ui/state.tsx'

const route = getRouteApi('/admin/money')
const FORMATS = ['csv', 'json'] as const

export function PayoutFileCard({ batchId }: { batchId: string }) {
  const navigate = route.useNavigate()
  const [isAsking, setIsAsking] = useState(false)
  const fileAs = (format: (typeof FORMATS)[number]) =>
    api.api.admin.payouts[':batch'].$get({ param: { batch: batchId }, query: { format } })
  const file = useQuery({
    queryKey: ['admin', 'payout', batchId],
    queryFn: async () => {
      const [{ PayoutFile }, file] = await Promise.all([import('../../../protocol/money.ts'), bytesOf(fileAs('json'))])
      return PayoutFile.parse(JSON.parse(await file.text()))
    },
  })
  const save = useAction({
    run: (format: (typeof FORMATS)[number]) => download(fileAs(format), `${batchId}.${format}`),
  })
  const pay = useAction({
    run: (reference: string) =>
      read(api.api.admin.payouts[':batch'].paid.$post({ param: { batch: batchId }, json: { reference } })),
    say: ({ paid, usd: sum }) => `${paid === 1 ? 'One withdrawal' : `${paid} withdrawals`} paid, ${usd(sum)}.`,
    changes: [['admin']],
  })
  return (
    <Card withBorder component="section">
      <Group justify="space-between" mb="xs">
        <Title order={2} size="h4" style={{ overflowWrap: 'anywhere' }}>
          Pay-out file {batchId}
        </Title>
        <Button size="xs" variant="default" onClick={() => void navigate({ search: ({ batch: _, ...rest }) => rest })}>
          Close
        </Button>
      </Group>
      <Loaded query={file}>
        {({ rows, usd: sum }) => (
          <Stack gap="xs">
            <Text>
              {rows.length === 1 ? 'One payment' : `${rows.length} payments`}, <Money amount={sum} /> together.
            </Text>
            <Records
              caption="Payments of the file"
              rows={rows}
              keyOf={({ id }) => id}
              columns={[
                { title: 'To', cell: ({ address }) => address },
                { title: 'Amount', isNumber: true, cell: ({ usd: amount }) => <Money amount={amount} /> },
              ]}
            />
            <Group>
              {FORMATS.map((format) => (
                <Button key={format} variant="default" loading={save.isPending} onClick={() => save.mutate(format)}>
                  Save as {format.toUpperCase()}
                </Button>
              ))}
              <Button
                loading={pay.isPending}
                disabled={rows.length === 0 || pay.isSuccess}
                onClick={() => setIsAsking(true)}
              >
                It was paid
              </Button>
            </Group>
            <Confirm
              isOpen={isAsking}
              onClose={() => setIsAsking(false)}
              title="Was this file paid?"
              action="It was paid"
              reasonLabel="Reference of the payment, such as the transaction"
              onConfirm={(reference) => {
                setIsAsking(false)
                pay.mutate(reference)
              }}
            >
              {rows.length === 1 ? 'One withdrawal' : `${rows.length} withdrawals`} of {usd(sum)} together are marked as
              paid. This cannot be taken back.
            </Confirm>
          </Stack>
        )}
      </Loaded>
    </Card>
  )
}
