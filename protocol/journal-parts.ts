// Calls that several nodes are paid for: what each one's part was, as it is hashed with the call. The parts add up to the call's units and charge;
// which money of them is whose say the legs, each with its node. Absent where the call's own node is paid alone.
import { z } from 'zod'
import { ByteCount, NodeIdText, TokenCount, UsdNanos } from './fields.ts'
import { toSqlInteger, toUsd } from './units.ts'

const CallPartJson = z
  .object({
    nodeId: NodeIdText,
    inputTokens: TokenCount,
    outputTokens: TokenCount,
    tensorBytes: ByteCount.optional(),
    /** decimal dollars of the call's charge: its units at the prices of its own ticket, or less where the hold ended or the whole call is rounded up once */
    charge: UsdNanos,
  })
  .transform(({ charge, ...units }) => ({ ...units, chargeNanos: charge }))
export type CallPart = Readonly<z.output<typeof CallPartJson>>

export const CallPartsJson = z.array(CallPartJson).min(1)

export const partToJson = ({ nodeId, inputTokens, outputTokens, tensorBytes, chargeNanos }: CallPart) => ({
  nodeId,
  inputTokens: toSqlInteger(inputTokens),
  outputTokens: toSqlInteger(outputTokens),
  ...(tensorBytes && { tensorBytes: toSqlInteger(tensorBytes) }),
  charge: toUsd(chargeNanos),
})

/** Null: the parts are those of these units and this charge. */
export function partsFault(
  parts: readonly CallPart[],
  whole: Omit<CallPart, 'nodeId'>,
  named: readonly string[],
): string | null {
  const sum = (of: (part: Omit<CallPart, 'nodeId'>) => bigint) => parts.reduce((all, part) => all + of(part), 0n)
  if (parts.some(({ chargeNanos }) => chargeNanos < 0n)) return 'a part of the charge is below nothing'
  if (sum(({ chargeNanos }) => chargeNanos) !== whole.chargeNanos) return 'its parts are not its charge'
  const isSame =
    sum(({ inputTokens }) => inputTokens) === whole.inputTokens &&
    sum(({ outputTokens }) => outputTokens) === whole.outputTokens &&
    sum(({ tensorBytes }) => tensorBytes ?? 0n) === (whole.tensorBytes ?? 0n)
  if (!isSame) return 'its parts are not its units'
  const nodes = new Set<string>(parts.map(({ nodeId }) => nodeId))
  return named.every((node) => nodes.has(node)) ? null : 'a node is paid that has no part'
}
