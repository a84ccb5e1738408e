// All withdrawals of the account as a file.
import { Button } from '@mantine/core'
import type { Withdrawal } from '../../../protocol/money.ts'
import { api, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { saveCsv } from './csv.ts'
import { count } from './node-state.tsx'

export function WithdrawalsFile() {
  const download = useAction({
    run: async () => {
      const rows = await allWithdrawals()
      saveCsv('withdrawals.csv', FIELDS, rows)
      return rows.length
    },
    say: (rows) => `${count(rows)} withdrawals are in the file.`,
  })
  return (
    <Button variant="default" loading={download.isPending} onClick={() => download.mutate(undefined)}>
      Download CSV
    </Button>
  )
}

const FIELDS = ['requestedAt', 'id', 'usd', 'address', 'state', 'endedAt', 'reference'] as const

async function allWithdrawals(): Promise<Withdrawal[]> {
  const rows: Withdrawal[] = []
  let cursor: string | null = null
  do {
    const page: { data: Withdrawal[]; nextCursor: string | null } = await read(
      api.api.withdrawals.$get({ query: cursor === null ? {} : { cursor } }),
    )
    rows.push(...page.data)
    cursor = page.nextCursor
  } while (cursor !== null)
  return rows
}
