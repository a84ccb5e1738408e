// A list as a file for a spreadsheet, made by the gateway.
import { Button } from '@mantine/core'
import { useAction } from '../data/use-action.ts'
import { download } from '../ui/download.ts'

type Reply = Parameters<typeof download>[0]

export function SaveList({ name, ask, label = 'Save as CSV' }: { name: string; ask: () => Reply; label?: string }) {
  const save = useAction({ run: () => download(ask(), name) })
  return (
    <Button variant="default" loading={save.isPending} onClick={() => save.mutate(undefined)}>
      {label}
    </Button>
  )
}
