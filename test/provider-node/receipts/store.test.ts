// Receipts on a disk that crashes, fills up, is slow or lies: none that was kept is lost, and nothing comes back that was acknowledged.
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RECEIPT_LIMITS } from '../../../provider-node/receipts/receipt-limits.ts'
import { createReceiptStore } from '../../../provider-node/receipts/store.ts'
import { aListener, aReceipt, aStore, waitingIn } from './builders.ts'
import { MemoryDisk } from './memory-disk.ts'

const jtis = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => `jti-${from + index}`)

async function keepAll(store: Awaited<ReturnType<typeof aStore>>, from: number, to: number): Promise<void> {
  for (let index = from; index < to; index++) await store.keep(aReceipt(index))
}
const settled = () => new Promise((resolve) => setImmediate(resolve))

describe('a kept receipt', () => {
  it('waits, with its ticket, until it is acknowledged, also over a restart', async () => {
    const disk = new MemoryDisk()
    const store = await aStore(disk)
    await keepAll(store, 0, 3)
    expect(store.backlog()).toEqual({ waiting: 3, oldestAt: aReceipt(0).at, rejected: 0 })
    await store.close()
    const next = await aStore(disk)
    expect(await next.next(2, () => true)).toEqual([aReceipt(0), aReceipt(1)])
    next.acknowledge(['jti-0', 'jti-2', 'unknown'])
    await next.close()
    expect(await waitingIn(await aStore(disk))).toEqual(['jti-1'])
  })

  it('is on the disk when keeping it has ended', async () => {
    const disk = new MemoryDisk()
    const store = await aStore(disk)
    for (let index = 0; index < 5; index++) {
      await store.keep(aReceipt(index))
      expect(await waitingIn(await aStore(disk.crashed()))).toEqual(jtis(0, index + 1))
    }
  })

  it('is kept once, however often it is given', async () => {
    const store = await aStore(new MemoryDisk())
    await Promise.all([store.keep(aReceipt(1)), store.keep(aReceipt(1))])
    expect(await waitingIn(store)).toEqual(['jti-1'])
  })

  it('shares its sync with those that came while the disk was busy', async () => {
    const disk = new MemoryDisk()
    const store = await aStore(disk)
    await Promise.all(Array.from({ length: 200 }, (_, index) => store.keep(aReceipt(index))))
    expect(disk.syncs).toBeLessThanOrEqual(2)
    expect(await waitingIn(await aStore(disk.crashed()))).toHaveLength(200)
  })

  it('that is acknowledged while it is being written does not come back', async () => {
    const disk = new MemoryDisk()
    const store = await aStore(disk)
    let go = () => {}
    disk.slow = () => new Promise((resolve) => (go = resolve))
    const kept = store.keep(aReceipt(0))
    await settled()
    store.acknowledge(['jti-0'])
    disk.slow = null
    go()
    await kept
    await settled()
    expect(await waitingIn(await aStore(disk.crashed()))).toEqual([])
  })

  it('is left out of a batch while it is not due', async () => {
    const store = await aStore(new MemoryDisk())
    await keepAll(store, 0, 4)
    expect((await store.next(2, (jti) => jti !== 'jti-0')).map(({ jti }) => jti)).toEqual(['jti-1', 'jti-2'])
  })

  it('that was refused for good is set aside whole, and kept for the operator', async () => {
    const disk = new MemoryDisk()
    const store = await aStore(disk)
    await keepAll(store, 0, 2)
    expect(await store.reject(aReceipt(0), 'bad_ticket')).toBe(true)
    await store.close()
    const next = await aStore(disk)
    expect(next.backlog()).toMatchObject({ waiting: 1, rejected: 1 })
    expect(disk.files.get('rejected.log')?.bytes.toString()).toContain('"receipt":"receipt.0","code":"bad_ticket"')
  })
})

describe('files', () => {
  it('go when everything in them is acknowledged, and the oldest first', async () => {
    const disk = new MemoryDisk()
    for (let run = 0; run < 3; run++) {
      const store = await aStore(disk)
      await keepAll(store, run * 10, run * 10 + 10)
      if (run === 1) store.acknowledge(jtis(10, 20))
      await store.close()
    }
    // The second one holds nothing, but says what is acknowledged; it goes with the first.
    expect(disk.files.size).toBe(3)
    const store = await aStore(disk)
    store.acknowledge(jtis(0, 10))
    await store.close()
    expect(await waitingIn(await aStore(disk))).toEqual(jtis(20, 30))
    expect([...disk.files.keys()].filter((name) => name <= 'segment-00000002.log')).toEqual([])
  })

  it('leave nothing behind when nothing waits', async () => {
    const disk = new MemoryDisk()
    const store = await aStore(disk)
    await keepAll(store, 0, 10)
    store.acknowledge(jtis(0, 10))
    await store.close()
    expect(disk.files.size).toBe(0)
  })

  it('are not kept for one receipt that nobody acknowledges: it is written again', async () => {
    const disk = new MemoryDisk()
    for (let run = 0; run < 30; run++) {
      const store = await aStore(disk)
      await keepAll(store, run, run + 1)
      if (run > 0) store.acknowledge([`jti-${run}`])
      await store.close()
    }
    expect(disk.files.size).toBeLessThanOrEqual(RECEIPT_LIMITS.segmentsKept + 2)
    expect(await waitingIn(await aStore(disk))).toEqual(['jti-0'])
  })

  it('are cut off at their size', async () => {
    const disk = new MemoryDisk()
    const store = await aStore(disk)
    const long = 'x'.repeat(RECEIPT_LIMITS.segmentBytes / 4)
    for (let index = 0; index < 9; index++) await store.keep(aReceipt(index, { receipt: long }))
    expect(disk.files.size).toBe(3)
    store.acknowledge(jtis(0, 4))
    await settled()
    expect(disk.files.size).toBe(2)
    expect((await aStore(disk.crashed())).backlog().waiting).toBe(5)
  })
})

describe('a crash', () => {
  it('at any byte of the log loses nothing that stands before it, and brings nothing twice', async () => {
    const disk = new MemoryDisk()
    const store = await aStore(disk)
    await keepAll(store, 0, 4)
    store.acknowledge(['jti-1'])
    await settled()
    await keepAll(store, 4, 6)
    const [name, { bytes }] = disk.only()
    for (let length = 0; length <= bytes.byteLength; length++) {
      const cut = bytes.subarray(0, length)
      const written = jtis(0, 6).filter((jti) => wholeLines(cut).some((line) => line.includes(`"jti":"${jti}"`)))
      const isNoted = wholeLines(cut).some((line) => line.includes('"done"'))
      const left = MemoryDisk.of({ [name]: cut })
      const expected = written.filter((jti) => !(isNoted && jti === 'jti-1'))
      const told = aListener()
      const reopened = await aStore(left, told)
      expect([length, await waitingIn(reopened)]).toEqual([length, expected])
      expect(told.events.every(({ event }) => event === 'receipts_torn')).toBe(true)
      // And again, after what the mending wrote.
      await reopened.close()
      expect([length, await waitingIn(await aStore(left))]).toEqual([length, expected])
    }
  })

  it('in the middle of mending, at any write of it, loses nothing', async () => {
    const disk = new MemoryDisk()
    const store = await aStore(disk)
    await keepAll(store, 0, 5)
    const [name, { bytes }] = disk.only()
    for (const capacity of [0, 10, 200, 500, 800, 2_000]) {
      const left = MemoryDisk.of({ [name]: bytes.subarray(0, bytes.byteLength - 3) })
      left.capacity = left.used() + capacity
      await aStore(left)
      expect(await waitingIn(await aStore(left.crashed()))).toEqual(jtis(0, 4))
    }
  })

  it('drops what was being written, and says how much', async () => {
    const disk = new MemoryDisk()
    await keepAll(await aStore(disk), 0, 2)
    const left = disk.crashed()
    for (const file of left.files.values()) file.bytes = file.bytes.subarray(0, -9)
    const told = aListener()
    await aStore(left, told)
    expect(told.events.map(({ event }) => event)).toEqual(['receipts_torn'])
    const again = aListener()
    await aStore(left, again)
    expect(again.events).toEqual([])
  })
})

describe('a damaged file', () => {
  it('is kept under another name, with one sentence, and every receipt that can be read is saved', async () => {
    const disk = new MemoryDisk()
    const store = await aStore(disk)
    await keepAll(store, 0, 5)
    const [name, file] = disk.only()
    file.bytes[file.bytes.indexOf('receipt.2')] = 0x58
    const told = aListener()
    const next = await aStore(disk, told)
    expect(await waitingIn(next)).toEqual(['jti-0', 'jti-1', 'jti-3', 'jti-4'])
    expect(told.events).toEqual([
      {
        event: 'receipts_damaged',
        reason: `A file of receipts is damaged: the 4 receipts in it that can be read were saved, and it is kept as "${name}.damaged".`,
      },
    ])
    expect([...disk.files.keys()]).toContain(`${name}.damaged`)
    await next.close()
    expect(await waitingIn(await aStore(disk))).toHaveLength(4)
  })

  it('never throws and never gives a receipt that was not kept, whatever its bytes are', async () => {
    const disk = new MemoryDisk()
    const store = await aStore(disk)
    await keepAll(store, 0, 6)
    store.acknowledge(['jti-0'])
    await settled()
    const [name, { bytes }] = disk.only()
    const known = new Map(Array.from({ length: 6 }, (_, index) => [`jti-${index}`, aReceipt(index)]))
    const changes = fc.array(fc.tuple(fc.nat(bytes.byteLength - 1), fc.nat(255)), { minLength: 1, maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(changes, fc.boolean(), async (changed, isLogAnother) => {
        const damaged = Buffer.from(bytes)
        for (const [at, byte] of changed) damaged[at] = byte
        const left = MemoryDisk.of({ [name]: damaged, ...(isLogAnother ? { 'segment-00000009.log': damaged } : {}) })
        const found = await (await aStore(left)).next(100, () => true)
        for (const receipt of found) expect(receipt).toEqual(known.get(receipt.jti))
        expect(new Set(found.map(({ jti }) => jti)).size).toBe(found.length)
        // Nobody touched more than 8 bytes, so at most 8 of the 6 receipts and one note can be gone.
        expect(found.length).toBeGreaterThanOrEqual(5 - changed.length)
      }),
      { numRuns: 300 },
    )
  })
})

describe('a disk that takes nothing', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
  afterEach(() => void vi.useRealTimers())

  it.each([
    ['ENOSPC', /^The disk is full: make room on it\. Until then receipts are kept in memory/],
    ['EROFS', /^The disk can only be read/],
    ['EACCES', /may not be written/],
    ['EIO', /cannot be written \(EIO\)/],
  ])(
    '%s is one sentence; receipts wait in memory, can be handed in, and are written when it is back',
    async (code, sentence) => {
      const disk = new MemoryDisk()
      const told = aListener()
      const store = await aStore(disk, told)
      await keepAll(store, 0, 2)
      disk.failure = code
      await keepAll(store, 2, 6)
      expect(told.events.map(({ event }) => event)).toEqual(['receipts_not_written'])
      expect(told.events[0]?.reason).toMatch(sentence)
      expect(await waitingIn(store)).toEqual(jtis(0, 6))
      store.acknowledge(['jti-0', 'jti-3'])
      disk.failure = null
      await vi.advanceTimersByTimeAsync(RECEIPT_LIMITS.diskRetryMs)
      expect(told.events.at(-1)?.event).toBe('receipts_written_again')
      expect((await waitingIn(await aStore(disk.crashed()))).sort()).toEqual(['jti-1', 'jti-2', 'jti-4', 'jti-5'])
      expect(disk.text()).not.toContain('jti-3"')
    },
  )

  it('that is full in the middle of a receipt loses none and keeps none twice', async () => {
    const disk = new MemoryDisk()
    const store = await aStore(disk)
    await keepAll(store, 0, 3)
    disk.capacity = disk.used() + 50
    await keepAll(store, 3, 6)
    expect(await waitingIn(await aStore(disk.crashed(1_000)))).toEqual(jtis(0, 3))
    disk.capacity = Infinity
    await vi.advanceTimersByTimeAsync(RECEIPT_LIMITS.diskRetryMs)
    expect(await waitingIn(await aStore(disk.crashed()))).toEqual(jtis(0, 6))
  })

  it('has room again as soon as the gateway has acknowledged what is on it', async () => {
    const disk = new MemoryDisk()
    const store = await aStore(disk)
    await keepAll(store, 0, 3)
    disk.capacity = disk.used() + 50
    await keepAll(store, 3, 5)
    store.acknowledge(jtis(0, 3))
    await vi.advanceTimersByTimeAsync(0)
    expect(await waitingIn(await aStore(disk.crashed()))).toEqual(jtis(3, 5))
  })

  it('is written again also when what it had not taken was handed in from memory meanwhile', async () => {
    const disk = new MemoryDisk()
    const told = aListener()
    const store = await aStore(disk, told)
    disk.failure = 'ENOSPC'
    await store.keep(aReceipt(0))
    store.acknowledge(['jti-0'])
    disk.failure = null
    await vi.advanceTimersByTimeAsync(RECEIPT_LIMITS.diskRetryMs)
    await store.keep(aReceipt(1))
    expect(await waitingIn(await aStore(disk.crashed()))).toEqual(['jti-1'])
    expect(told.events.at(-1)?.event).toBe('receipts_written_again')
  })

  it('fills the memory up to its bound: then new calls are refused, with one sentence, until there is room', async () => {
    const disk = new MemoryDisk()
    const told = aListener()
    const store = await aStore(disk, told)
    disk.failure = 'ENOSPC'
    const large = 'x'.repeat(RECEIPT_LIMITS.memoryBytes / 4 - 1_000)
    for (let index = 0; index < 4; index++) await store.keep(aReceipt(index, { receipt: large }))
    expect(store.isFull()).toBe(false)
    await store.keep(aReceipt(4, { receipt: 'x'.repeat(4_000) }))
    await store.keep(aReceipt(5))
    expect(store.isFull()).toBe(true)
    expect(told.events.map(({ event }) => event)).toEqual(['receipts_not_written', 'receipts_refuse_calls'])
    disk.failure = null
    await vi.advanceTimersByTimeAsync(RECEIPT_LIMITS.diskRetryMs)
    expect(store.isFull()).toBe(false)
    expect(store.backlog().waiting).toBe(6)
  })

  it('counts as full when the store holds as much as it may', async () => {
    const disk = new MemoryDisk()
    const told = aListener()
    const store = await createReceiptStore({ disk, told, now: () => 0, bytesMax: 1_500 })
    await keepAll(store, 0, 12)
    expect(told.events.map(({ event }) => event)).toEqual(['receipts_not_written'])
    expect(told.events[0]?.reason).toMatch(/^So many receipts wait for the gateway/)
    expect(disk.used()).toBeLessThanOrEqual(1_500)
    expect(await waitingIn(store)).toEqual(jtis(0, 12))
    const onDisk = await waitingIn(await aStore(disk.crashed()))
    store.acknowledge(onDisk)
    await vi.advanceTimersByTimeAsync(0)
    expect(onDisk.length).toBeLessThan(12)
    expect(await waitingIn(await aStore(disk.crashed()))).toEqual(jtis(onDisk.length, 12))
  })

  it('that is slow holds an answer up so long and no longer, and says so once', async () => {
    const disk = new MemoryDisk()
    const told = aListener()
    const store = await aStore(disk, told)
    let go = () => {}
    disk.slow = () => new Promise((resolve) => (go = resolve))
    const kept = [store.keep(aReceipt(0)), store.keep(aReceipt(1))]
    let isOver = false
    void Promise.all(kept).then(() => (isOver = true))
    await vi.advanceTimersByTimeAsync(RECEIPT_LIMITS.durableMs - 1)
    expect(isOver).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(isOver).toBe(true)
    expect(told.events.map(({ event }) => event)).toEqual(['receipt_disk_slow'])
    disk.slow = null
    go()
    await vi.advanceTimersByTimeAsync(1)
    await store.keep(aReceipt(2))
    expect(told.events.map(({ event }) => event)).toEqual(['receipt_disk_slow', 'receipt_disk_fast_again'])
    expect(await waitingIn(await aStore(disk.crashed()))).toEqual(jtis(0, 3))
  })

  it('that could be read only later takes new receipts at once, beside the files that nobody knew of', async () => {
    const disk = new MemoryDisk()
    for (let run = 0; run < 3; run++) await keepAll(await aStore(disk), run, run + 1)
    disk.failure = 'EACCES'
    const store = await aStore(disk)
    disk.failure = null
    await store.keep(aReceipt(3))
    expect((await waitingIn(await aStore(disk.crashed()))).sort()).toEqual(jtis(0, 4))
  })

  it('with one file that cannot be read gives the receipts of all others, and the file stays for the next start', async () => {
    const disk = new MemoryDisk()
    for (let run = 0; run < 3; run++) await keepAll(await aStore(disk), run, run + 1)
    expect(disk.files.size).toBe(3)
    const [, bad = ''] = [...disk.files.keys()]
    const told = aListener()
    disk.unreadable = bad
    const store = await aStore(disk, told)
    expect((await waitingIn(store)).sort()).toEqual(['jti-0', 'jti-2'])
    expect(told.events.map(({ event }) => event)).toEqual(['receipts_unreadable'])
    store.acknowledge(['jti-0', 'jti-2'])
    await vi.advanceTimersByTimeAsync(0)
    expect([...disk.files.keys()]).toContain(bad)
    disk.unreadable = null
    expect(await waitingIn(await aStore(disk))).toContain('jti-1')
  })

  it('that cannot even be read at the start stops nobody', async () => {
    const disk = new MemoryDisk()
    disk.failure = 'EACCES'
    const told = aListener()
    const store = await aStore(disk, told)
    await store.keep(aReceipt(0))
    expect(told.events.map(({ event }) => event)).toEqual(['receipts_unreadable', 'receipts_not_written'])
    expect(await waitingIn(store)).toEqual(['jti-0'])
  })
})

/** Lines whose JSON is complete. */
const wholeLines = (bytes: Buffer): string[] =>
  bytes
    .toString()
    .split('\n')
    .filter((line) => line.length > 42 && Buffer.byteLength(line) === 42 + Number(line.slice(0, 8)))
