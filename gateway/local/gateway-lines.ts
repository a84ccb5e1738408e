// What a gateway process and the test that started it say to each other: one JSON object per line.
import { z } from 'zod'

export const Options = z.strictObject({
  stateDir: z.string(),
  port: z.number().int(),
  vars: z.record(z.string(), z.string()).optional(),
  configPath: z.string().optional(),
})
export type GatewayProcessOptions = z.infer<typeof Options>

export const Ready = z.object({ url: z.string(), directUrl: z.string(), chainId: z.number(), pid: z.number() })
export type Ready = z.infer<typeof Ready>

const Value = z.union([z.string(), z.number(), z.null()])
export const Command = z.discriminatedUnion('op', [
  z.object({ id: z.number(), op: z.literal('query'), binding: z.string(), sql: z.string(), values: z.array(Value) }),
  z.object({ id: z.number(), op: z.literal('crons') }),
])
export type GatewayCommand = z.infer<typeof Command>

/** `rows` of a query, [] of the crons; or why it failed. */
export const Answer = z.object({
  id: z.number(),
  rows: z.array(z.record(z.string(), z.unknown())).optional(),
  error: z.string().optional(),
})
export type Answer = z.infer<typeof Answer>
