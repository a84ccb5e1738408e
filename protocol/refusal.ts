// Reads a refusal of the gateway out of an answer's body.
import { ErrorBody } from './errors.ts'
import { SoukError } from './souk-error.ts'

/** What a body of an error says; null for any other. @param status of the answer it came with, or of the stream that it ended */
export function soukErrorOf(status: number, json: unknown): SoukError | null {
  const refusal = ErrorBody.safeParse(json)
  if (!refusal.success) return null
  const { code, message, requestId } = refusal.data.error
  return new SoukError(status, code, message, requestId)
}
