// The little that the receipt store wants of a disk, so that tests can give it one that fills up, loses its last writes or fails. Names are plain
// file names in one folder; everything is readable by its owner only.
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

export interface Disk {
  /** names with their sizes in bytes; none when the folder is not there */
  list(): Promise<readonly { name: string; bytes: number }[]>
  read(name: string): Promise<Buffer>
  readPart(name: string, at: number, bytes: number): Promise<Buffer>
  /** A new file: refused when there is one of that name. Its name is on the disk when this resolves. */
  create(name: string): Promise<Appender>
  /** At the end of a file that may be there. */
  append(name: string): Promise<Appender>
  rename(from: string, to: string): Promise<void>
  /** Cuts a file off behind so many bytes. */
  truncate(name: string, bytes: number): Promise<void>
  remove(name: string): Promise<void>
}

export interface Appender {
  /** All bytes or an error. */
  write(bytes: Uint8Array): Promise<void>
  /** What was written is on the disk when this resolves. */
  sync(): Promise<void>
  close(): Promise<void>
}

export function openDisk(folder: string): Disk {
  const appender = async (name: string, flag: 'ax' | 'a'): Promise<Appender> => {
    await mkdir(folder, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
      // A file stands where the folder should: that is not the name being taken.
      throw codeOf(cause) === 'EEXIST' ? Object.assign(new Error('no folder', { cause }), { code: 'ENOTDIR' }) : cause
    })
    const file = await open(join(folder, name), flag, 0o600)
    try {
      await syncFolder(folder)
    } catch (cause) {
      await file.close()
      throw cause
    }
    return {
      write: (bytes) => file.appendFile(bytes),
      sync: () => file.datasync(),
      close: () => file.close(),
    }
  }
  return {
    async list() {
      const names = await readdir(folder).catch((cause: unknown) => {
        if (codeOf(cause) === 'ENOENT') return []
        throw cause
      })
      // A file may go while another process looks: what is gone is not listed.
      const sized = names.map(async (name) => {
        const found = await stat(join(folder, name)).catch(() => null)
        return found?.isFile() ? [{ name, bytes: found.size }] : []
      })
      return (await Promise.all(sized)).flat()
    },
    read: (name) => readFile(join(folder, name)),
    async readPart(name, at, bytes) {
      const file = await open(join(folder, name), 'r')
      try {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, at)
        return buffer.subarray(0, bytesRead)
      } finally {
        await file.close()
      }
    },
    create: (name) => appender(name, 'ax'),
    append: (name) => appender(name, 'a'),
    async rename(from, to) {
      await rename(join(folder, from), join(folder, to))
      await syncFolder(folder)
    },
    async truncate(name, bytes) {
      const file = await open(join(folder, name), 'r+')
      try {
        await file.truncate(bytes)
        await file.datasync()
      } finally {
        await file.close()
      }
    },
    remove: (name) => rm(join(folder, name), { force: true }),
  }
}

/** Of a failed system call. @example 'ENOSPC' */
export function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : 'unknown'
}

/** A new name is on the disk when its folder is; Windows opens no folders and keeps names by itself. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
