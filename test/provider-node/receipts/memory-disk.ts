// A disk in memory that fills up, fails and crashes when a test says so: what was written and not synced may be lost, wholly or from any byte on.
import type { Appender, Disk } from '../../../provider-node/receipts/disk.ts'

interface StoredFile {
  bytes: Buffer
  /** of them on the disk for sure */
  synced: number
}

export class MemoryDisk implements Disk {
  readonly files = new Map<string, StoredFile>()
  /** every write, sync, creation and removal fails with this code */
  failure: string | null = null
  /** a file whose sectors are gone: reading it fails */
  unreadable: string | null = null
  /** bytes it holds; a write beyond them writes what fits and fails with ENOSPC */
  capacity = Infinity
  /** awaited in every sync: a slow disk */
  slow: (() => Promise<void>) | null = null
  syncs = 0

  static of(files: Readonly<Record<string, Buffer>>): MemoryDisk {
    const disk = new MemoryDisk()
    for (const [name, bytes] of Object.entries(files)) disk.files.set(name, { bytes, synced: bytes.byteLength })
    return disk
  }

  /** What a power cut leaves. @param unsynced bytes of each file's end that reached the disk all the same */
  crashed(unsynced = 0): MemoryDisk {
    const left = [...this.files].map(
      ([name, { bytes, synced }]) => [name, bytes.subarray(0, synced + unsynced)] as const,
    )
    return MemoryDisk.of(Object.fromEntries(left))
  }

  used(): number {
    return [...this.files.values()].reduce((sum, { bytes }) => sum + bytes.byteLength, 0)
  }

  /** the one file there is */
  only(): [name: string, file: StoredFile] {
    const [entry, ...others] = this.files
    if (!entry || others.length > 0) throw new Error(`there are ${this.files.size} files`)
    return entry
  }

  text(): string {
    return [...this.files.values()].map(({ bytes }) => bytes.toString('latin1')).join('')
  }

  async list() {
    await this.#works()
    return [...this.files].map(([name, { bytes }]) => ({ name, bytes: bytes.byteLength }))
  }

  async read(name: string): Promise<Buffer> {
    const file = this.files.get(name)
    if (!file) throw failureOf('ENOENT')
    if (name === this.unreadable) throw failureOf('EIO')
    return Buffer.from(file.bytes)
  }

  async readPart(name: string, at: number, bytes: number): Promise<Buffer> {
    return (await this.read(name)).subarray(at, at + bytes)
  }

  async create(name: string): Promise<Appender> {
    if (this.files.has(name)) throw failureOf('EEXIST')
    return this.append(name)
  }

  async append(name: string): Promise<Appender> {
    await this.#works()
    const file = this.files.get(name) ?? { bytes: Buffer.alloc(0), synced: 0 }
    this.files.set(name, file)
    return {
      write: async (bytes) => {
        await this.#works()
        const fits = Math.max(0, Math.min(bytes.byteLength, this.capacity - this.used()))
        file.bytes = Buffer.concat([file.bytes, bytes.subarray(0, fits)])
        if (fits < bytes.byteLength) throw failureOf('ENOSPC')
      },
      sync: async () => {
        await this.slow?.()
        await this.#works()
        this.syncs += 1
        file.synced = file.bytes.byteLength
      },
      close: () => Promise.resolve(),
    }
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#works()
    const file = this.files.get(from)
    if (!file) throw failureOf('ENOENT')
    this.files.delete(from)
    this.files.set(to, file)
  }

  async truncate(name: string, bytes: number): Promise<void> {
    if (this.failure !== null && this.failure !== 'ENOSPC') throw failureOf(this.failure)
    const file = this.files.get(name)
    if (!file) throw failureOf('ENOENT')
    file.bytes = file.bytes.subarray(0, bytes)
    file.synced = Math.min(file.synced, bytes)
  }

  async remove(name: string): Promise<void> {
    if (this.failure !== null && this.failure !== 'ENOSPC') throw failureOf(this.failure)
    this.files.delete(name)
  }

  #works(): Promise<void> {
    return this.failure === null ? Promise.resolve() : Promise.reject(failureOf(this.failure))
  }
}

export const failureOf = (code: string): Error => Object.assign(new Error(code), { code, syscall: 'write' })
