// souk-verify: what a stranger runs, with nothing but Node.js, to check a journal without asking anybody. The file is read twice: first to
// see which lines are named again later, then line by line, so that memory does not grow with the journal.
import { readFile } from 'node:fs/promises'
import type { Jwks } from '../../protocol/journal-export.ts'
import { PublicJwk } from '../../protocol/journal-export.ts'
import { JournalForesight } from '../../protocol/journal-foresight.ts'
import { openKeys } from '../../protocol/journal-proofs.ts'
import { verifyJournal } from '../../protocol/journal-verify.ts'
import { SignedStatement, statementText } from '../../protocol/statement.ts'
import { z } from 'zod'
import { CannotRead } from './cannot-read.ts'
import { MonthFinder, statementFault } from './month.ts'
import { HELP, readOptions, type Options } from './options.ts'
import { readPieces } from './read.ts'
import { asJson, asText, isRight, type Outcome } from './report.ts'

try {
  const options = readOptions(process.argv.slice(2))
  if (options) process.exitCode = print(options, await verify(options))
  else process.stdout.write(HELP)
} catch (error) {
  if (!(error instanceof CannotRead)) throw error
  process.stderr.write(`souk-verify: ${error.message}\n`)
  process.exitCode = 2
}

async function verify(options: Options): Promise<Outcome> {
  const jwks = await Promise.all(options.jwks.map(readJwks))
  const given = options.against === null ? null : await readStatement(options.against)
  const months = options.statement === null ? null : new MonthFinder(options.statement)
  const verified = await verifyJournal(readPieces(options.journal), {
    ...(jwks.length > 0 ? { jwks } : {}),
    ...(options.journal === '-' ? {} : { foresight: await foresee(options.journal) }),
    ...(months ? { onLine: (line, hash) => months.add(line, hash) } : {}),
  })
  const isPinned = jwks.length > 0
  const { head, header, broken } = verified
  if (!months || broken || !head || !header) return { verified, isPinned, statement: null, statementFault: null }
  const statement = months.end(Date.parse(head.at))
  if (!statement) throw new CannotRead(`the journal has no month ${options.statement}, or it was not over yet`)
  const keys = await openKeys(isPinned ? jwks : [header.jwks])
  return { verified, isPinned, statement, statementFault: given && (await statementFault(statement, given, keys)) }
}

/** The statement alone goes to standard output, so that it can be kept as it is. */
function print({ json }: Options, outcome: Outcome): number {
  if (json) process.stdout.write(asJson(outcome))
  else if (outcome.statement) {
    process.stdout.write(`${statementText(outcome.statement)}\n`)
    process.stderr.write(asText(outcome))
  } else process.stdout.write(asText(outcome))
  return isRight(outcome) ? 0 : 1
}

async function foresee(path: string): Promise<JournalForesight> {
  const foresight = new JournalForesight()
  for await (const texts of readPieces(path)) for (const text of texts) foresight.look(text)
  return foresight
}

/** A key set from elsewhere may say more of a key than a journal does. */
async function readJwks(path: string): Promise<Jwks> {
  const set = z.object({ keys: z.array(z.object(PublicJwk.shape)).min(1) }).safeParse(await readJson(path))
  if (!set.success) throw new CannotRead(`${path} is no set of Ed25519 keys, as /.well-known/jwks.json gives them`)
  return set.data
}

async function readStatement(path: string): Promise<SignedStatement> {
  const signed = SignedStatement.safeParse(await readJson(path))
  if (!signed.success) throw new CannotRead(`${path} is no statement, as GET /api/statements/N gives it`)
  return signed.data
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'))
  } catch {
    throw new CannotRead(`${path} cannot be read as JSON`)
  }
}
