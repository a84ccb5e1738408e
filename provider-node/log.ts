// Structured lines for machines and people. Fields are counts, ids and codes; prompts, answers and keys have no way in.
export type LogLevel = 'info' | 'warn' | 'error'
export type Log = (
  level: LogLevel,
  event: string,
  fields?: Readonly<Record<string, string | number | boolean | null>>,
) => void

/** One JSON object per line. @param write receives the line with its line end */
export function createLog(write: (line: string) => void, now: () => number): Log {
  return (level, event, fields = {}) =>
    write(`${JSON.stringify({ time: new Date(now()).toISOString(), level, event, ...fields })}\n`)
}

export const silentLog: Log = () => {}
