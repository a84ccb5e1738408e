// What a command says while it fetches files: a line per file and tenth of it, for people, on standard error.
import type { Log } from '../log.ts'

/** A log that tells the progress and the troubles of downloads, and no line twice in a row. */
export function progressLog(tell: (line: string) => void): Log {
  let last = ''
  const once = (line: string) => {
    if (line !== last) tell(line)
    last = line
  }
  return (level, event, fields = {}) => {
    const what = `${fields.model}: ${fields.file}`
    if (event === 'model_downloaded') return once(`${what} is here`)
    if (event === 'model_download_waits') return once(`${what} is being fetched by another program: waiting`)
    if (event === 'model_downloading') return once(`${what} ${tenth(fields.percent)}`)
    if (level !== 'info') once(`${what}: ${fields.source ?? ''} ${fields.reason ?? event.replaceAll('_', ' ')}`)
  }
}

const tenth = (percent: unknown): string =>
  typeof percent === 'number' ? `${Math.floor(percent / 10) * 10} %` : 'is being fetched'
