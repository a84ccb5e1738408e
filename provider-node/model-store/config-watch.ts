// Notices that config.json has changed: looked at again and again rather than watched, because a file that is replaced, on whatever disk, escapes a
// watch. A change counts when two looks agree, so that nobody reads half of what an editor is writing; what cannot be read is one warning.
import { stat } from 'node:fs/promises'
import type { Log } from '../log.ts'
import { STORE_LIMITS } from './store-limits.ts'

export interface ConfigWatch {
  /** Reads it now, changed or not: SIGHUP. Never rejects. */
  reload(): Promise<void>
  stop(): void
}

export interface ConfigWatchNeeds<Config> {
  readonly file: string
  /** @throws whatever says that it cannot be read: its message goes to the log */
  readonly read: () => Promise<Config>
  readonly changed: (config: Config) => void
  readonly log: Log
}

export function watchConfig<Config>({ file, read, changed, log }: ConfigWatchNeeds<Config>): ConfigWatch {
  let last = look(file)
  let known = last
  let isLooking = false
  async function reload(): Promise<void> {
    try {
      changed(await read())
    } catch (cause) {
      log('warn', 'config_unreadable', { reason: cause instanceof Error ? cause.message : 'unknown' })
    }
  }
  async function tick(): Promise<void> {
    const before = await last
    last = look(file)
    const seen = await last
    if (seen !== before || seen === (await known)) return
    known = last
    await reload()
  }
  const timer = setInterval(() => {
    if (isLooking) return
    isLooking = true
    void tick().finally(() => (isLooking = false))
  }, STORE_LIMITS.configLookMs)
  timer.unref()
  return { reload, stop: () => clearInterval(timer) }
}

/** What tells one version of a file from another; the same for as long as it is not there. */
const look = (file: string): Promise<string> =>
  stat(file).then(
    ({ mtimeMs, size, ino }) => `${mtimeMs} ${size} ${ino}`,
    () => 'gone',
  )
