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

/** A command that cannot be understood. */
export const usageError = (message: string): OperatorError => new OperatorError(message, 2)
