// What an operator did or must do: printed as one sentence, without a stack, and the program ends with this exit code.
export class OperatorError extends Error {
  override readonly name = 'OperatorError'
  constructor(
    message: string,
    readonly exitCode: 1 | 2 = 1,
  ) {
    super(message)
  }
}

/** A failed system call in one sentence with its code; anything else is a bug and stays as it is. @example 'x cannot be read (EACCES)' */
export const sentenceFor = (what: string, cause: unknown): unknown =>
  cause instanceof Error && 'code' in cause && typeof cause.code === 'string' && 'syscall' in cause
    ? new OperatorError(`${what} (${cause.code})`)
    : cause

/** A command that cannot be understood. */
export const usageError = (message: string): OperatorError => new OperatorError(message, 2)
