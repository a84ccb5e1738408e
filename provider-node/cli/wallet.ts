// The operator's wallet, where its private key lies on this machine: read once, used for one command's signatures, never stored and never printed.
import { readFile } from 'node:fs/promises'
import { privateKeyToAccount } from 'viem/accounts'
import { OperatorError, sentenceFor } from '../operator-error.ts'
import type { OptionSpec, ParsedOptions, Terminal } from './options.ts'

export type Operator = ReturnType<typeof privateKeyToAccount>

/** Of commands that need the wallet's signature. */
export const WALLET_OPTION = {
  'wallet-key-file': {
    type: 'string',
    value: 'FILE',
    help: "file with the private key of the operator's wallet (else SOUK_OPERATOR_KEY)",
  },
} as const satisfies Record<string, OptionSpec>

export const hasWallet = (options: ParsedOptions, { env }: Pick<Terminal, 'env'>): boolean =>
  options.text('wallet-key-file') !== undefined || Boolean(env.SOUK_OPERATOR_KEY)

/** @throws OperatorError that never quotes the key */
export async function readWallet(options: ParsedOptions, { env }: Pick<Terminal, 'env'>): Promise<Operator> {
  const file = options.text('wallet-key-file')
  // Not named: somebody gives the key where its file belongs, and a terminal is kept.
  const unread = (cause: unknown) => sentenceFor('the file of --wallet-key-file cannot be read', cause)
  const text =
    file === undefined
      ? env.SOUK_OPERATOR_KEY
      : await readFile(file, 'utf8').catch((cause: unknown) => {
          throw unread(cause)
        })
  if (text === undefined || text === '') throw new OperatorError('set SOUK_OPERATOR_KEY or give --wallet-key-file')
  const hex = /^(?:0x)?([0-9a-fA-F]{64})$/.exec(text.trim())?.[1]
  try {
    if (hex) return privateKeyToAccount(`0x${hex}`)
  } catch {
    // Zero, or not below the order of the curve: refused like any other text. The message must not quote it.
  }
  throw new OperatorError('the wallet key is not a private key of 64 hexadecimal digits')
}
