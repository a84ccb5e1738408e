// The store on a real disk: killed in the middle of its work, and on a disk that is too small.
import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openDisk } from '../../../provider-node/receipts/disk.ts'
import { createReceiptStore, readBacklog, receiptsFolder } from '../../../provider-node/receipts/store.ts'
import { aTemporaryFolder } from '../builders.ts'
import { aListener, aReceipt, waitingIn } from './builders.ts'

const WRITER = fileURLToPath(new URL('writer.ts', import.meta.url))
const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

let home: Awaited<ReturnType<typeof aTemporaryFolder>>
beforeEach(async () => {
  home = await aTemporaryFolder()
})
afterEach(() => home.remove())

const open = (told = aListener()) =>
  createReceiptStore({ disk: openDisk(receiptsFolder(home.path)), now: Date.now, told })

/** The writer until it has said so many lines, or to its end. @returns its lines */
function runWriter(command: string, args: readonly string[], linesMax = Infinity): Promise<string[]> {
  const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    if (lines.length >= linesMax) child.kill('SIGKILL')
  })
  return new Promise((resolve) => child.once('close', () => resolve(lines)))
}

const numbersOf = (lines: readonly string[], word: string) =>
  lines.flatMap((line) => (line.startsWith(`${word} `) ? [Number(line.split(' ')[1])] : []))

describe('kill -9', () => {
  it.each([1, 37, 120, 501])(
    'after %i words of a writer loses no receipt that was kept, and brings none twice',
    async (words) => {
      const lines = await runWriter(process.execPath, ['--import', 'tsx', WRITER, home.path, 'forever'], words)
      const acknowledged = new Set(numbersOf(lines, 'acknowledged'))
      const told = aListener()
      const store = await open(told)
      const found: string[] = []
      for (let batch; (batch = await store.next(500, (jti) => !found.includes(jti))).length > 0;)
        found.push(...batch.map(({ jti }) => jti))
      for (const index of numbersOf(lines, 'kept'))
        if (!acknowledged.has(index)) expect(found).toContain(`jti-${index}`)
      expect(new Set(found).size).toBe(found.length)
      expect(told.events.map(({ event }) => event).filter((event) => event !== 'receipts_torn')).toEqual([])
      await store.close()
    },
  )
})

/** Whether this machine lets us mount a small disk of our own. */
const isAllowed = spawnSync('unshare', ['-rm', 'sh', '-c', 'mount -t tmpfs -o size=64k tmpfs /mnt']).status === 0

describe.runIf(isAllowed)('a disk of 320 kB', () => {
  it('that fills up stops nobody: what it does not take waits in memory, and is written when there is room', async () => {
    const script = `mount -t tmpfs -o size=320k tmpfs ${home.path} && exec "$@"`
    const writer = [process.execPath, '--import', 'tsx', WRITER, home.path, 'fill']
    const lines = await runWriter('unshare', ['-rm', 'sh', '-c', script, 'sh', ...writer])
    expect(lines).toEqual([
      'told receipts_not_written ENOSPC',
      'waiting 200',
      'told receipts_written_again ',
      'reopened 200',
    ])
  })
})

describe('a folder', () => {
  it('is readable by its owner only, and can be looked at beside the process that writes it', async () => {
    const store = await open()
    await Promise.all(Array.from({ length: 5 }, (_, index) => store.keep(aReceipt(index))))
    expect(await readBacklog(home.path)).toEqual({ waiting: 5, oldestAt: aReceipt(0).at, rejected: 0 })
    const { mode } = await import('node:fs').then(({ statSync }) => statSync(join(home.path, 'receipts')))
    expect(mode & 0o777).toBe(0o700)
    store.acknowledge(['jti-0'])
    await store.reject(aReceipt(1), 'bad_receipt')
    await store.close()
    expect(await readBacklog(home.path)).toEqual({ waiting: 3, oldestAt: aReceipt(2).at, rejected: 1 })
    expect(await waitingIn(await open())).toEqual(['jti-2', 'jti-3', 'jti-4'])
  })

  it('that is not there holds nothing', async () => {
    expect(await readBacklog(join(home.path, 'nowhere'))).toEqual({ waiting: 0, oldestAt: null, rejected: 0 })
  })
})
