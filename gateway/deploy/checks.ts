// What must be true of wrangler.toml and of the bundle before either leaves this machine. Rules: they get texts and answer in sentences.
// The threat: the local switch opens a faucet, and a development key lets whoever has read this repository sign as the house.

export interface Deployment {
  /** wrangler.toml, as it stands */
  readonly toml: string
  readonly vars: Readonly<Record<string, unknown>>
  readonly define: Readonly<Record<string, string>>
  readonly databases: readonly { readonly name: string; readonly id: string }[]
  /** keys and addresses that belong to tests or to a development state folder */
  readonly developmentValues: readonly string[]
}

export interface Findings {
  /** never deployable */
  readonly refusals: readonly string[]
  /** not yet filled in: a dry run names them, a deployment stops at them */
  readonly missing: readonly string[]
}

/** The Worker's secrets, each with a command that makes a good value and hands it over without showing it. */
export const SECRETS: Readonly<Record<string, string>> = {
  SOUK_KEY_SECRET:
    `node -e "process.stdout.write(require('node:crypto').randomBytes(32).toString('base64url'))"` +
    ' | npx wrangler secret put SOUK_KEY_SECRET',
  SOUK_SIGNING_KEY:
    `node -e "process.stdout.write(JSON.stringify(require('node:crypto').generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })))"` +
    ' | npx wrangler secret put SOUK_SIGNING_KEY',
}

/** Published with the common development chains and with this repository's tests: everybody has their keys. Lower case. */
export const WELL_KNOWN_VALUES: readonly string[] = [
  '0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266',
  '0x70997970c51812dc3a010c7d01b50e0d17dc79c8',
  '0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc',
  '0x90f79bf6eb2c4f870365e785982e1f101e93b906',
  '0x15d34aaf54267db7d7c367839aaf71a00a2c6a65',
  'dgvzdc1zzwnyzxqtdgvzdc1zzwnyzxqtdgvzdc1zzwnyzxq',
  'nwgxne_9wmc6her0kuwsxerjxwl7mmkzcdusaxyuf2a',
]

const PLACEHOLDER = /^0{8}-0{4}-0{4}-0{4}-/
export const isPlaceholder = (databaseId: string): boolean => PLACEHOLDER.test(databaseId)

export function checkDeployment(deployment: Deployment): Findings {
  const { toml, vars, define, databases } = deployment
  const refusals: string[] = []
  // Every section counts, an [env.…] as well: what stands there is one flag away from production.
  const settings = toml.split('\n').map((line) => line.replace(/^\s*#.*/, ''))
  if (settings.some((line) => /\bSOUK_LOCAL\b/.test(line)) || 'SOUK_LOCAL' in vars)
    refusals.push('wrangler.toml sets SOUK_LOCAL: take it out, it opens the faucet and is for the local runner only.')
  for (const name of Object.keys(SECRETS)) {
    if (settings.some((line) => line.includes(name)) || name in vars)
      refusals.push(`wrangler.toml holds ${name}: take it out, it is a secret and belongs in \`wrangler secret put\`.`)
  }
  for (const [name, value] of Object.entries(vars)) {
    if (looksSecret(String(value)))
      refusals.push(`[vars] ${name} holds a private key: take it out and use another one.`)
  }
  if (Object.keys(define).some((name) => name.includes('SOUK_')))
    refusals.push('[define] replaces a SOUK_ name in the code: use [vars] or a secret.')
  if (holdsAny(toml, deployment.developmentValues))
    refusals.push('wrangler.toml names a development key or wallet: everybody has its private key, use your own.')
  const missing = databases.flatMap(({ name, id }) =>
    isPlaceholder(id) ? [`The database ${name} has a placeholder as its database_id.`] : [],
  )
  if (!vars.SOUK_ADMINS) missing.push('SOUK_ADMINS is empty: put the address of the first admin there.')
  if (!vars.SOUK_DOMAIN) missing.push('SOUK_DOMAIN is empty: put the host name that people will sign in to there.')
  return { refusals, missing }
}

/** @param code every module of the bundle, joined */
export function checkBundle(code: string, developmentValues: readonly string[]): string[] {
  const refusals: string[] = []
  if (/SOUK_LOCAL["']?\s*[:=]\s*["']?(1|true)\b/.test(code)) refusals.push('The bundle turns SOUK_LOCAL on by itself.')
  if (holdsAny(code, developmentValues)) refusals.push('The bundle holds a development key or wallet.')
  return refusals
}

/** A private key of a chain, or a private JWK. */
const looksSecret = (value: string): boolean => /0x[0-9a-fA-F]{64}\b|"d"\s*:|sk-souk-|whsec_/.test(value)

function holdsAny(text: string, values: readonly string[]): boolean {
  const lower = text.toLowerCase()
  return values.some((value) => lower.includes(value.toLowerCase()))
}
