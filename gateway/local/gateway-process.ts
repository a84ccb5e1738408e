// The gateway as an operating-system process of its own, for tests that kill it. Started with its options as JSON in SOUK_GATEWAY; prints
// one JSON line when it is ready, then answers one JSON line for each line it reads. Killing its process group kills workerd as well.
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { oneLine, report } from './expected.ts'
import { startGateway, type Gateway } from './gateway.ts'

const Options = z.strictObject({
  stateDir: z.string(),
  port: z.number().int(),
  vars: z.record(z.string(), z.string()).optional(),
  configPath: z.string().optional(),
})
export type GatewayProcessOptions = z.infer<typeof Options>

export const Ready = z.object({ url: z.string(), directUrl: z.string(), chainId: z.number(), pid: z.number() })

const Value = z.union([z.string(), z.number(), z.null()])
const Command = z.discriminatedUnion('op', [
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

async function main(): Promise<void> {
  const gateway = await startGateway(Options.parse(JSON.parse(process.env.SOUK_GATEWAY ?? '{}')))
  const stop = () => void gateway.stop().then(() => process.exit(0))
  process.once('SIGTERM', stop).once('SIGINT', stop)
  const { url, directUrl, chainId } = gateway
  print({ url, directUrl, chainId, pid: process.pid })
  for await (const line of createInterface({ input: process.stdin })) void serve(gateway, line)
  // Whoever started us is gone.
  stop()
}

async function serve(gateway: Gateway, line: string): Promise<void> {
  const command = Command.parse(JSON.parse(line))
  try {
    print({ id: command.id, rows: await run(gateway, command) })
  } catch (error) {
    print({ id: command.id, error: oneLine(error) })
  }
}

async function run(gateway: Gateway, command: GatewayCommand): Promise<Record<string, unknown>[]> {
  switch (command.op) {
    case 'crons':
      await gateway.runCrons()
      return []
    case 'query': {
      const statement = (await gateway.database(command.binding)).prepare(command.sql)
      return (await statement.bind(...command.values).all()).results
    }
    default:
      throw new Error(command satisfies never)
  }
}

const print = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`)

if (process.env.SOUK_GATEWAY !== undefined) {
  try {
    await main()
  } catch (error) {
    process.exit(report(error))
  }
}
