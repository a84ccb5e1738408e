// A chain of one's own for a test: anvil on a port of the system's choice, and the few calls a test makes of it. It is a program for one platform and an
// optional package: where it is missing the tests that need it are skipped by name, and in CI that is a failure.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import solc from 'solc'
import { z } from 'zod'
import { getAddress, type Abi, type Address, type Hex } from 'viem'
import { ROOT } from '../../gateway/local/root.ts'
import { eventually } from './eventually.ts'

const program = join(ROOT, 'node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil')
export const hasAnvil = existsSync(program)
if (!hasAnvil && process.env.CI)
  throw new Error('No anvil: install the optional package @foundry-rs/anvil-linux-amd64.')

export interface Chain {
  readonly url: string
  readonly chainId: number
  rpc(method: string, ...params: unknown[]): Promise<unknown>
  /** By one of the chain's own accounts; waits until it is in a block. @returns the address of what was deployed, where no `to` is given */
  transact(transaction: { to?: Address; data: Hex }): Promise<Address | null>
  codeAt(address: Address): Promise<Hex>
  stop(): Promise<void>
}

const Receipt = z.object({ status: z.string(), contractAddress: z.string().nullable().optional() })

export async function startChain(chainId: number): Promise<Chain> {
  const child = spawn(program, ['--port', '0', '--chain-id', String(chainId)], { stdio: ['ignore', 'pipe', 'ignore'] })
  const end = () => void child.kill('SIGKILL')
  process.once('exit', end)
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const url = await new Promise<string>((resolve, reject) => {
    void exited.then(() => reject(new Error('anvil ended before it listened')))
    createInterface({ input: child.stdout }).on('line', (line) => {
      const found = /Listening on (\S+)/.exec(line)
      if (found) resolve(`http://${found[1]}`)
    })
  })
  const rpc: Chain['rpc'] = async (method, ...params) => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    const { result, error } = z
      .object({ result: z.unknown(), error: z.object({ message: z.string() }).optional() })
      .parse(await response.json())
    if (error) throw new Error(`${method}: ${error.message}`)
    return result
  }
  const [from] = z.array(z.string()).parse(await rpc('eth_accounts'))
  return {
    url,
    chainId,
    rpc,
    async transact(transaction) {
      const hash = await rpc('eth_sendTransaction', { from, gas: '0x7a1200', ...transaction })
      // Anvil makes a block for each transaction, a moment after its answer.
      let receipt: z.infer<typeof Receipt> | null = null
      await eventually(10_000, async () => {
        receipt = Receipt.parse(await rpc('eth_getTransactionReceipt', hash))
      })
      const { status, contractAddress } = Receipt.parse(receipt)
      if (status !== '0x1') throw new Error('the transaction was reverted')
      return contractAddress ? getAddress(contractAddress) : null
    },
    codeAt: async (address) => (await rpc('eth_getCode', address, 'latest')) as Hex, // the chain's own word
    async stop() {
      process.off('exit', end)
      child.kill('SIGTERM')
      await exited
    },
  }
}

export interface Compiled {
  readonly abi: Abi
  readonly bytecode: Hex
}

const Output = z.object({
  errors: z.array(z.object({ severity: z.string(), formattedMessage: z.string() })).optional(),
  contracts: z
    .record(
      z.string(),
      z.record(
        z.string(),
        z.object({ abi: z.array(z.unknown()), evm: z.object({ bytecode: z.object({ object: z.string() }) }) }),
      ),
    )
    .optional(),
})

/** Every contract of one Solidity source, by its name. @throws Error with what the compiler says */
export function compile(source: string): Readonly<Record<string, Compiled>> {
  const input = {
    language: 'Solidity',
    sources: { 'test.sol': { content: source } },
    settings: {
      evmVersion: 'cancun',
      optimizer: { enabled: true },
      outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } },
    },
  }
  const { errors = [], contracts = {} } = Output.parse(JSON.parse(solc.compile(JSON.stringify(input))))
  const fatal = errors.filter(({ severity }) => severity === 'error')
  if (fatal.length > 0) throw new Error(fatal.map(({ formattedMessage }) => formattedMessage).join('\n'))
  return Object.fromEntries(
    Object.entries(contracts['test.sol'] ?? {}).map(([name, { abi, evm }]) => [
      name,
      { abi: abi as Abi, bytecode: `0x${evm.bytecode.object}` }, // the compiler's own word
    ]),
  )
}
