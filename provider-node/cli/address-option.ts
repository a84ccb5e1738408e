// An address as it is typed behind an option, told at once when it is none: a program that goes on with it would say that nobody answers there.
import { GatewayUrl } from '../config.ts'
import { usageError } from '../operator-error.ts'
import type { ParsedOptions } from './options.ts'

/** Of `--gateway`, without a trailing slash. @throws OperatorError with exit code 2 */
export function gatewayOption(options: ParsedOptions): string | undefined {
  const text = options.text('gateway')
  if (text === undefined) return undefined
  const parsed = GatewayUrl.safeParse(text)
  if (parsed.success) return parsed.data
  throw usageError(`option --gateway needs an address, such as https://gateway.example, without a path: not "${text}"`)
}
