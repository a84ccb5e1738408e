// A process that keeps receipts in a real folder, so that a test can kill it or give it a disk that is too small. Says on standard output what it did,
// one word and a number a line. Arguments: the folder, and `forever` or `fill`.
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openDisk } from '../../../provider-node/receipts/disk.ts'
import { createReceiptStore } from '../../../provider-node/receipts/store.ts'

const [folder = '', mode = ''] = process.argv.slice(2)
const say = (...words: readonly (string | number)[]) => process.stdout.write(`${words.join(' ')}\n`)
const open = () =>
  createReceiptStore({
    disk: openDisk(join(folder, 'receipts')),
    now: Date.now,
    told: {
      log: (_, event, { code = '' } = {}) => say('told', event, String(code)),
      error: () => undefined,
    },
  })
const store = await open()
const keep = (index: number) =>
  store.keep({ jti: `jti-${index}`, at: Date.now(), ticket: 't'.repeat(800), receipt: `r${index}`.repeat(200) })

if (mode === 'forever') {
  // Eight at a time, as calls end; each tenth is acknowledged later.
  for (let index = 0; ; index += 8) {
    const batch = Array.from({ length: 8 }, (_, offset) => index + offset)
    await Promise.all(batch.map(async (one) => (await keep(one), say('kept', one))))
    if (index % 80 === 0 && index > 0) {
      store.acknowledge([`jti-${index - 80}`])
      say('acknowledged', index - 80)
    }
  }
}
if (mode === 'fill') {
  const filler = join(folder, 'filler')
  await writeFile(filler, Buffer.alloc(128 * 1024))
  for (let index = 0; index < 200; index++) await keep(index)
  say('waiting', store.backlog().waiting)
  await rm(filler)
  // The disk is tried again after five seconds.
  await new Promise((resolve) => setTimeout(resolve, 5_500))
  await store.close()
  say('reopened', (await open()).backlog().waiting)
  process.exit(0)
}
