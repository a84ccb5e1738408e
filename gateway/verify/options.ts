// What souk-verify is asked to do: its options, read strictly, and its help.
import { parseArgs } from 'node:util'
import { CannotRead } from './cannot-read.ts'

export interface Options {
  /** `-`: standard input */
  readonly journal: string
  readonly jwks: readonly string[]
  /** YYYY-MM */
  readonly statement: string | null
  readonly against: string | null
  readonly json: boolean
}

export const HELP = `souk-verify checks a Souk journal offline: chain, sums, corrections, tickets, receipts, and the signed head.

  node souk-verify.mjs journal.ndjson [options]

journal.ndjson is what GET /api/journal?format=ndjson gave; "-" reads standard input.

  --jwks FILE          the gateway's keys, as /.well-known/jwks.json gives them; may be said several times.
                       Without it the keys in the journal's own header are used.
  --statement YYYY-MM  writes that month's statement, rebuilt from the journal, to standard output
  --against FILE       with --statement: compares it byte for byte with what GET /api/statements/N gave,
                       and checks the signature
  --json               the result as JSON
  --help               this text

Exit code: 0 everything holds; 1 something is broken (the first broken line is named); 2 it could not be read.
`

/** Null: help was asked for. @throws CannotRead with a sentence about what is wrong */
export function readOptions(args: readonly string[]): Options | null {
  const { values, positionals } = parse(args)
  if (values.help) return null
  const [journal, ...more] = positionals
  if (journal === undefined || more.length > 0) throw new CannotRead('name one journal; --help says more')
  const { statement = null, against = null } = values
  if (statement !== null && !/^\d{4}-(0[1-9]|1[0-2])$/.test(statement))
    throw new CannotRead(`--statement takes a month such as 2040-06, not ${statement}`)
  if (against !== null && statement === null) throw new CannotRead('--against needs --statement')
  return { journal, jwks: values.jwks ?? [], statement, against, json: values.json ?? false }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        jwks: { type: 'string', multiple: true },
        statement: { type: 'string' },
        against: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (cause) {
    throw new CannotRead(cause instanceof Error ? cause.message : 'the options cannot be read')
  }
}
