// The plan of the house as data, and the functions that hold a tree of files against it. Files come as arguments, so that the test
// can plant forbidden ones. Imports are read by TypeScript's own parser: static, `import type`, re-exports, dynamic ones, and
// files named by `new URL('./x', import.meta.url)`.
import { posix } from 'node:path'
import ts from 'typescript'

export interface SourceFile {
  /** relative to the repository root, with forward slashes */
  readonly path: string
  readonly text: string
}

interface Import {
  /** as written; null when it is computed at run time */
  readonly specifier: string | null
  readonly isTypeOnly: boolean
}

const WIRE = ['protocol']
const BASE = ['protocol', 'db', 'core']
const ROOMS = ['auth', 'ledger', 'market', 'inference', 'link', 'settlement', 'admin', 'notify']

/** design.md, section 3. A place may always import itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  db: WIRE,
  core: WIRE,
  auth: BASE,
  ledger: BASE,
  market: [...BASE, 'link'],
  inference: [...BASE, 'market', 'ledger', 'link'],
  link: BASE,
  settlement: [...BASE, 'ledger'],
  admin: BASE,
  notify: [...BASE, 'ledger', 'link'],
  /** app.ts, services.ts, index.ts: the composition */
  top: [...BASE, ...ROOMS],
  dashboard: WIRE,
  'provider-node': WIRE,
  local: [...WIRE, 'deploy'],
  deploy: [...WIRE, 'local'],
  verify: WIRE,
  contracts: [],
  config: ['db', 'test'],
  test: [...BASE, ...ROOMS, 'top', 'dashboard', 'provider-node', 'local', 'deploy', 'verify', 'contracts'],
}

/** Types only, each with its reason: nothing of the other side is loaded. */
const TYPES_ALSO: readonly { from: string; to: string }[] = [
  // The bindings are typed by the guards' classes.
  { from: 'gateway/core/env.ts', to: 'gateway/ledger/guard/account-guard.ts' },
  { from: 'gateway/core/env.ts', to: 'gateway/market/guard/node-guard.ts' },
  // Keys are the guard's to keep: sign-in and keys speak to it through its port.
  { from: 'gateway/auth/', to: 'gateway/ledger/account-port.ts' },
  { from: 'gateway/auth/', to: 'gateway/ledger/limits/limit-port.ts' },
  // The dashboard's typed client.
  { from: 'gateway/dashboard/', to: 'gateway/app.ts' },
]

/** Packages that tie a place to a runtime it must not know. */
const FORBIDDEN_PACKAGES: Readonly<Record<string, RegExp>> = {
  protocol: /^(node:|cloudflare:|hono|drizzle)/,
  db: /^(node:|cloudflare:|hono)/,
  dashboard: /^(node:|cloudflare:|drizzle)/,
  'provider-node': /^(cloudflare:|drizzle|hono\/cloudflare)/,
  verify: /^(cloudflare:|drizzle|hono)/,
}

export function placeOf(path: string): string | null {
  const [first = '', second = '', third] = path.split('/')
  if (second === '') return /\.config\.[jt]s$/.test(first) ? 'config' : null
  if (first !== 'gateway') return first in MAY_IMPORT ? first : null
  if (third === undefined) return 'top'
  return second in MAY_IMPORT ? second : null
}

/** Every breach of the import table, as `from -> to: why`. */
export function importViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const place = placeOf(file.path)
    if (place === null) return [`${file.path}: lies in no room`]
    return importsOf(file).flatMap((found) => {
      const why = whyForbidden(file.path, place, found)
      return why === null ? [] : [`${file.path} -> ${found.specifier ?? '?'}: ${why}`]
    })
  })
}

function whyForbidden(from: string, place: string, { specifier, isTypeOnly }: Import): string | null {
  if (specifier === null)
    return ['test', 'local', 'deploy', 'provider-node', 'config'].includes(place) ? null : 'a computed import'
  if (!specifier.startsWith('.')) {
    if (FORBIDDEN_PACKAGES[place]?.test(specifier)) return `${place} runs where this package does not`
    // Opening a database (drizzle-orm/d1) is no query; building one is.
    return !isTypeOnly && specifier === 'drizzle-orm' && ROOMS.includes(place) && !isBook(from)
      ? 'queries stand in books'
      : null
  }
  const to = posix.normalize(posix.join(posix.dirname(from), specifier))
  const target = placeOf(to)
  if (target === null) return 'it lies in no room'
  if (target !== place && !(MAY_IMPORT[place] ?? []).includes(target)) {
    const isGranted = TYPES_ALSO.some((grant) => from.startsWith(grant.from) && to === grant.to)
    return isTypeOnly && isGranted ? null : `${place} may not import ${target}`
  }
  if (isTypeOnly || place === 'test') return null
  return insideRoom(from, place, to, target)
}

const isRoutes = (path: string) => /(^|\/|-)routes\.ts$/.test(path)
/** Books under a word of their own. */
const BOOKS: readonly string[] = [
  'gateway/ledger/book/book-pages.ts',
  'gateway/ledger/payments/credit-codes.ts',
  'gateway/ledger/book/sweep.ts',
  'gateway/market/models/models.ts',
  'gateway/market/snapshot.ts',
]
const isBook = (path: string) =>
  BOOKS.includes(path) || /(^|\/|-)(book|queries|rows|store|schema|projection|rollups?)\.ts$/.test(path)
const isGuard = (path: string) => /(account|node)-guard\.ts$/.test(path)

/** routes -> flow -> {rule, book, guard, upstream}, as far as file names tell. */
function insideRoom(from: string, place: string, to: string, target: string): string | null {
  if (place === 'top' || !ROOMS.includes(place)) return null
  if (isRoutes(to) && (target !== place || !isRoutes(from))) return 'only routes and app.ts mount routes'
  if (isGuard(to)) return 'a guard is reached through its port'
  if (target === 'db' && !isBook(from)) return 'queries stand in books'
  if (isBook(from) && target !== place && ROOMS.includes(target)) return 'a book knows no other room'
  if (isRule(from) && ROOMS.includes(target) && !isRule(to)) return 'a rule imports rules'
  return null
}

/** Pure decisions: no I/O, clock or randomness. A new rule is added here. */
export const RULES: readonly string[] = [
  'gateway/auth/api-key.ts',
  'gateway/auth/delegate.ts',
  'gateway/auth/member-change.ts',
  'gateway/auth/member-rights.ts',
  'gateway/auth/roles.ts',
  'gateway/inference/attempts/attempt-times.ts',
  'gateway/inference/attempts/failure.ts',
  'gateway/inference/attempts/next-attempt.ts',
  'gateway/inference/attempts/retry-after.ts',
  'gateway/inference/attempts/retry-budget.ts',
  'gateway/inference/order/locked-offer.ts',
  'gateway/inference/order/quote.ts',
  'gateway/inference/order/request-traits.ts',
  'gateway/inference/quorum/agreement.ts',
  'gateway/inference/quorum/jurors.ts',
  'gateway/inference/resume/resume.ts',
  'gateway/inference/resume/seam.ts',
  'gateway/inference/settle/count.ts',
  'gateway/inference/settle/drift.ts',
  'gateway/inference/settle/joint-count.ts',
  'gateway/inference/text/choices.ts',
  'gateway/inference/text/token-characters.ts',
  'gateway/ledger/events/account-events.ts',
  'gateway/ledger/calls/aborts.ts',
  'gateway/ledger/calls/admit.ts',
  'gateway/ledger/verification/book-check.ts',
  'gateway/ledger/limits/budget-period.ts',
  'gateway/ledger/payouts/earned.ts',
  'gateway/ledger/calls/hold.ts',
  'gateway/ledger/calls/late-receipt.ts',
  'gateway/ledger/keys/key-secret.ts',
  'gateway/ledger/limits/limit-use.ts',
  'gateway/ledger/limits/limits.ts',
  'gateway/ledger/verification/line-check.ts',
  'gateway/ledger/metering/cuts.ts',
  'gateway/ledger/metering/latency.ts',
  'gateway/ledger/metering/ranges.ts',
  'gateway/ledger/metering/sums.ts',
  'gateway/ledger/idempotency/repeat.ts',
  'gateway/ledger/earnings/node-earnings.ts',
  'gateway/ledger/payouts/payout-address.ts',
  'gateway/ledger/payouts/payout-file.ts',
  'gateway/ledger/refunds/refund-shares.ts',
  'gateway/ledger/calls/split.ts',
  'gateway/ledger/guard/stored.ts',
  'gateway/ledger/payments/stripe-events.ts',
  'gateway/ledger/limits/token-bucket.ts',
  'gateway/link/special-addresses.ts',
  'gateway/market/admission/admission.ts',
  'gateway/market/audits/audit-sentence.ts',
  'gateway/market/audits/audit-tensors.ts',
  'gateway/market/audits/audit-text.ts',
  'gateway/market/audits/compare.ts',
  'gateway/market/audits/schedule.ts',
  'gateway/market/audits/suspicion.ts',
  'gateway/market/audits/told-trust.ts',
  'gateway/market/audits/verdict.ts',
  'gateway/market/audits/vocabulary.ts',
  'gateway/market/health/breaker.ts',
  'gateway/market/health/correlated.ts',
  'gateway/market/health/histogram.ts',
  'gateway/market/health/in-flight-cap.ts',
  'gateway/market/health/windows.ts',
  'gateway/market/choose/choose.ts',
  'gateway/market/choose/wishes.ts',
  'gateway/market/choose/draw.ts',
  'gateway/market/choose/best.ts',
  'gateway/market/choose/policy.ts',
  'gateway/market/choose/prepared.ts',
  'gateway/market/choose/rank-input.ts',
  'gateway/market/choose/filters.ts',
  'gateway/market/choose/weights.ts',
  'gateway/market/choose/turns.ts',
  'gateway/market/choose/explanation.ts',
  'gateway/market/choose/refusal.ts',
  'gateway/market/health/health.ts',
  'gateway/market/models/model-state.ts',
  'gateway/market/nodes/node-status.ts',
  'gateway/market/nodes/receipt-words.ts',
  'gateway/market/nodes/status-words.ts',
  'gateway/market/nodes/unserved-wishes.ts',
  'gateway/market/nodes/why-less.ts',
  'gateway/market/offers/price-range.ts',
  'gateway/market/offers/price-standing.ts',
  'gateway/notify/kinds.ts',
  'gateway/notify/limits.ts',
  'gateway/notify/message.ts',
  'gateway/notify/outcome.ts',
  'gateway/market/admission/vesting.ts',
  'gateway/market/nodes/quota.ts',
  'gateway/market/models/weights.ts',
]
const isRule = (path: string) => RULES.includes(path)

/** Clock, randomness and I/O where they are not arguments: rules and the wire, and the clock anywhere in a room. */
export function impurities(files: readonly SourceFile[]): string[] {
  const clock = /\bDate\.now\(|\bMath\.random\(|\bnew Date\(\)|\bgetRandomValues\(|\brandomUUID\(/
  const inputOutput = /\bawait\b|\basync\b|\bfetch\(|\benv\./
  return files
    .filter(({ path }) => isRule(path) || ['protocol', ...ROOMS].includes(placeOf(path) ?? ''))
    .flatMap((file) => {
      const code = withoutComments(file)
      const found = clock.exec(code)?.[0] ?? (isRule(file.path) ? inputOutput.exec(code)?.[0] : undefined)
      return found === undefined ? [] : [`${file.path}: ${found}`]
    })
}

/** Names that say nothing, barrels, and files over the ceiling. */
export function shapeViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const found: string[] = []
    if (/(^|\/)(utils?|helpers?|common|manager|misc|shared)(\.|\/)/.test(file.path))
      found.push('a name that says nothing')
    if (/(^|\/)[^/]*[A-Z][^/]*\.(ts|mjs)$/.test(file.path)) found.push('not in kebab-case')
    if (/(^|\/)index\.ts$/.test(file.path) && file.path !== 'gateway/index.ts') found.push('a barrel')
    if (isBarrel(file) && file.path !== 'gateway/index.ts') found.push('only re-exports: a barrel')
    const lines = file.text.trimEnd().split('\n').length
    if (lines > (isTest(file.path) ? 450 : 300) && !/^db\/(.*-)?schema\.ts$/.test(file.path))
      found.push(`${lines} lines`)
    if (!/^\s*(\/\/|\/\*|#!)/.test(file.text) && !isTest(file.path)) found.push('does not say what it is for')
    return found.map((why) => `${file.path}: ${why}`)
  })
}

const isTest = (path: string) => path.startsWith('test/')

function isBarrel(file: SourceFile): boolean {
  const { statements } = parse(file)
  return statements.length > 0 && statements.every((node) => ts.isExportDeclaration(node) && node.moduleSpecifier)
}

const parse = ({ path, text }: SourceFile) =>
  ts.createSourceFile(path, text, ts.ScriptTarget.ESNext, true, path.endsWith('.tsx') ? ts.ScriptKind.TSX : undefined)

function withoutComments(file: SourceFile): string {
  const printer = ts.createPrinter({ removeComments: true })
  return printer.printFile(parse(file))
}

export function importsOf(file: SourceFile): Import[] {
  const found: Import[] = []
  const visit = (node: ts.Node): void => {
    const one = importAt(node)
    if (one) found.push(one)
    ts.forEachChild(node, visit)
  }
  visit(parse(file))
  return found
}

function importAt(node: ts.Node): Import | null {
  const text = (at: ts.Node | undefined) => (at && ts.isStringLiteralLike(at) ? at.text : null)
  if (ts.isImportDeclaration(node)) return { specifier: text(node.moduleSpecifier), isTypeOnly: isTypeImport(node) }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier)
    return { specifier: text(node.moduleSpecifier), isTypeOnly: node.isTypeOnly }
  if (ts.isImportTypeNode(node))
    return {
      specifier: text(ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined),
      isTypeOnly: true,
    }
  if (ts.isExternalModuleReference(node)) return { specifier: text(node.expression), isTypeOnly: false }
  if (ts.isCallExpression(node) && isLoad(node.expression))
    return { specifier: text(node.arguments[0]), isTypeOnly: false }
  if (
    ts.isNewExpression(node) &&
    node.expression.getText() === 'URL' &&
    node.arguments?.[1]?.getText() === 'import.meta.url'
  ) {
    const specifier = text(node.arguments[0])
    return specifier !== null && /^\..*\.(ts|mjs|js)$/.test(specifier) ? { specifier, isTypeOnly: false } : null
  }
  return null
}

const isLoad = (callee: ts.Expression) =>
  callee.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(callee) && callee.text === 'require')

function isTypeImport({ importClause }: ts.ImportDeclaration): boolean {
  if (!importClause) return false
  if (importClause.isTypeOnly) return true
  const named = importClause.namedBindings
  if (importClause.name || !named || !ts.isNamedImports(named)) return false
  return named.elements.length > 0 && named.elements.every((element) => element.isTypeOnly)
}
