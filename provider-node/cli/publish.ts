// `souk-node publish`: an author's model, from a folder to the market. Everything the gateway or a node would refuse later is looked at here first, on
// the author's machine; then the wallet signs the whole manifest (EIP-712), and the gateway answers. With --state it says that a model is not to be used.
import { rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { ModelManifest } from '../../protocol/model.ts'
import { modelDigest } from '../../protocol/publish.ts'
import { OperatorError, sentenceFor, usageError } from '../operator-error.ts'
import { checkSources } from '../publish/check-sources.ts'
import { NOTHING } from '../publish/describe-graph.ts'
import { draftManifest, type Draft } from '../publish/draft.ts'
import { licenceWarnings } from '../publish/known-licences.ts'
import { requireNamedWeights } from '../publish/named-weights.ts'
import { answerProbes } from '../publish/probes.ts'
import { described, published } from '../publish/summary.ts'
import type { Command } from './commands.ts'
import { JSON_OPTION, SHARED_OPTIONS, type ParsedOptions, type Terminal } from './options.ts'
import { asked, changeState, GATEWAY, gatewayOf } from './publish-state.ts'
import { readWallet, WALLET_OPTION } from './wallet.ts'

export const publishCommand: Command = {
  spec: {
    name: 'publish',
    details: [
      'Reads manifest.json in the folder, or makes it; writes the sha256 and the size of every file into it, answers its probes here, and publishes it, signed by your wallet. Of every call of it you are paid the royalty.',
      'Again with the same files changes its description, licence, sources or royalty; a royalty may only fall. Other files are another model: publish them under a new name, and say of the old one: souk-node publish --state deprecated --model OLD --replaced-by NEW.',
    ],
    arguments: [{ name: 'FOLDER', help: 'where the files lie; none with --state', isOptional: true }],
    options: {
      id: { type: 'string', value: 'AUTHOR/NAME', help: 'its name; the part before the slash is yours alone' },
      task: {
        type: 'string',
        value: 'TASK',
        help: 'chat, embeddings, classification, ocr or tensors (a single graph)',
      },
      description: { type: 'string', value: 'TEXT', help: 'what it does, in a sentence' },
      licence: { type: 'string', value: 'SPDX', help: 'an SPDX expression; a licence of your own is LicenseRef-NAME' },
      'royalty-bps': {
        type: 'string',
        value: 'N',
        help: 'your share of every call, in hundredths of a percent, 0 to 5000 (0)',
      },
      source: {
        type: 'string',
        multiple: true,
        value: 'URL',
        help: 'https folder that holds the files; may be repeated',
      },
      'check-sources': { type: 'boolean', help: 'ask every source for every file first' },
      'skip-probes': { type: 'boolean', help: 'do not load the model here and ask it its probes' },
      'dry-run': { type: 'boolean', help: 'look at everything; sign, write and publish nothing' },
      state: { type: 'string', value: 'STATE', help: 'of a model that is there: active, deprecated or withdrawn' },
      model: { type: 'string', value: 'AUTHOR/NAME', help: 'with --state: which' },
      reason: { type: 'string', value: 'TEXT', help: 'with --state: why, for callers and operators' },
      'replaced-by': { type: 'string', value: 'AUTHOR/NAME', help: 'with --state: what to use instead' },
      gateway: {
        type: 'string',
        value: 'URL',
        help: `the gateway (that of config.json, else SOUK_NODE_GATEWAY, else ${GATEWAY})`,
      },
      ...WALLET_OPTION,
      ...JSON_OPTION,
      ...SHARED_OPTIONS,
    },
  },
  run: runPublish,
}

export async function runPublish(options: ParsedOptions, terminal: Terminal): Promise<void> {
  const [folder] = options.positionals
  refuseMixture(options, folder)
  if (folder === undefined) return changeState(options, terminal)
  await publishFolder(resolve(folder), options, terminal)
}

const OF_STATE = ['model', 'reason', 'replaced-by'] as const
const OF_FOLDER = [
  'id',
  'task',
  'description',
  'licence',
  'royalty-bps',
  'source',
  'check-sources',
  'skip-probes',
  'dry-run',
] as const

/** A state is said of a model that is there, and files are published: one or the other. */
function refuseMixture(options: ParsedOptions, folder: string | undefined): void {
  const isGiven = (name: string) => options.flag(name)
  const state = options.text('state')
  if (state === undefined && folder === undefined)
    throw usageError('publish needs FOLDER, or --state: see souk-node publish --help')
  if (state !== undefined && folder !== undefined)
    throw usageError('option --state takes no FOLDER: it is said of --model')
  const stray = (state === undefined ? OF_STATE : OF_FOLDER).find(isGiven)
  if (stray !== undefined)
    throw usageError(
      state === undefined
        ? `option --${stray} goes with --state`
        : `option --${stray} goes with FOLDER, not with --state`,
    )
}

async function publishFolder(folder: string, options: ParsedOptions, terminal: Terminal): Promise<void> {
  const { print, tell } = terminal
  const isDry = options.flag('dry-run')
  // Before anything is hashed: what is wrong about the wallet is known at once.
  const author = isDry ? null : await readWallet(options, terminal)
  tell(`reading ${folder} …`)
  const draft = await lookedAt(folder, options, terminal)
  const { manifest } = draft
  const digest = modelDigest(manifest)
  if (!isDry && draft.isNew) await writeManifest(folder, draft.text)
  if (author === null) {
    if (options.flag('json')) return print(JSON.stringify({ published: false, digest, manifest }))
    for (const line of described(manifest, digest)) print(line)
    return print('nothing was published: this was a dry run')
  }
  const gateway = await gatewayOf(options, terminal)
  const view = await asked(gateway, author, (client) => client.publishModel(manifest, author))
  if (options.flag('json')) return print(JSON.stringify({ published: true, ...view }))
  for (const line of [...described(manifest, digest), ...published(view, gateway)]) print(line)
}

/** Everything that can be known without the gateway. @throws OperatorError for the first thing that is wrong */
async function lookedAt(folder: string, options: ParsedOptions, { tell, env }: Terminal): Promise<Draft> {
  const draft = await draftManifest(folder, {
    id: options.text('id'),
    task: options.text('task'),
    description: options.text('description'),
    licence: options.text('licence'),
    royaltyBps: royaltyOf(options.text('royalty-bps')),
    sources: options.all('source'),
  })
  const { manifest } = draft
  const warnings = licenceWarnings(manifest.licence)
  if (warnings === null)
    throw new OperatorError(
      `${JSON.stringify(manifest.licence)} is no SPDX expression: write MIT, say, or LicenseRef-NAME`,
    )
  for (const warning of warnings) tell(`warning: ${warning}`)
  await requireNamedWeights(folder, manifest.files)
  if (manifest.sources === undefined)
    tell('warning: no sources: whoever offers it must get the files from you in another way')
  else if (options.flag('check-sources')) await requireSources(manifest, tell)
  if (options.flag('skip-probes')) {
    if (JSON.stringify(manifest.probes).includes(NOTHING.name))
      throw usageError('its probes are still to be recorded: without --skip-probes, or write them into manifest.json')
    return draft
  }
  tell('loading it, and asking its probes …')
  const probes = await answerProbes({ manifest, digest: modelDigest(manifest), folder }, env)
  const answered = { ...manifest, probes }
  const isRecorded = JSON.stringify(probes) !== JSON.stringify(manifest.probes)
  return { manifest: answered, text: `${JSON.stringify(answered, null, 2)}\n`, isNew: draft.isNew || isRecorded }
}

async function requireSources(manifest: ModelManifest, tell: Terminal['tell']): Promise<void> {
  tell('asking its sources …')
  const [first, ...more] = await checkSources(manifest)
  for (const also of more) tell(`warning: ${also}`)
  if (first !== undefined) throw new OperatorError(`the source ${first}`)
}

function royaltyOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,4}$/.test(text) || Number(text) > 5_000)
    throw usageError('option --royalty-bps needs a number from 0 to 5000')
  return Number(text)
}

async function writeManifest(folder: string, text: string): Promise<void> {
  const draft = join(folder, `manifest.json.${process.pid}.new`)
  try {
    await writeFile(draft, text)
    await rename(draft, join(folder, 'manifest.json'))
  } catch (cause) {
    await rm(draft, { force: true })
    throw sentenceFor(`${join(folder, 'manifest.json')} cannot be written`, cause)
  }
}
