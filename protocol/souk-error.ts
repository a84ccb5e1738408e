// A refusal of the gateway, as programs that call it meet it.
import { ErrorBody } from './errors.ts'

/** With the code of `protocol/errors.ts` as the gateway sent it. */
export class SoukError extends Error {
  override readonly name = 'SoukError'
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly requestId: string | null,
  ) {
    super(message)
  }
}

/** What a body of an error says; null for any other. @param status of the answer it came with, or of the stream that it ended */
export function soukErrorOf(status: number, json: unknown): SoukError | null {
  const refusal = ErrorBody.safeParse(json)
  if (!refusal.success) return null
  const { code, message, requestId } = refusal.data.error
  return new SoukError(status, code, message, requestId)
}
