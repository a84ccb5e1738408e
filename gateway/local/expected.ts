// Failures that a person can mend: one sentence, no stack, exit code 1. Everything else is a bug and keeps its stack.

/** Its message is the whole sentence that is shown. */
export class ExpectedFailure extends Error {
  override readonly name = 'ExpectedFailure'
}

/** Prints what went wrong as it deserves. @returns the exit code */
export function report(error: unknown): 1 {
  if (error instanceof ExpectedFailure) console.error(`\n${error.message}`)
  else console.error(error)
  return 1
}

/** The message of whatever was thrown, in one line. */
export const oneLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replace(/\s*\n\s*/g, ' ').trim()

/** The errno of a system call's error, as in `ENOENT`; null for others. */
export const errno = (error: unknown): string | null =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null
