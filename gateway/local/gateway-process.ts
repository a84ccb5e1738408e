// The gateway as an operating-system process of its own, for tests that kill it. Started with its options as JSON in SOUK_GATEWAY; prints
// one JSON line when it is ready, then answers one JSON line for each line it reads. Killing its process group kills workerd as well.
import { createInterface } from 'node:readline'
import { oneLine, report } from './expected.ts'
import { startGateway, type Gateway } from './gateway.ts'
import { Command, Options, type Answer, type GatewayCommand, type Ready } from './gateway-lines.ts'
import { onStopSignal } from './signals.ts'

async function main(): Promise<void> {
  const gateway = await startGateway(Options.parse(JSON.parse(process.env.SOUK_GATEWAY ?? '{}')))
  const stop = () => void gateway.stop().then(() => process.exit(0))
  onStopSignal(stop)
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

const print = (value: Ready | Answer) => process.stdout.write(`${JSON.stringify(value)}\n`)

if (process.env.SOUK_GATEWAY !== undefined) {
  try {
    await main()
  } catch (error) {
    process.exit(report(error))
  }
}
