// On what the models are computed: which execution providers of the runtime work on this machine, tried on one of the operator's own graphs, in a process
// of its own, since a driver that is not right can end the one that tries it.
import { join } from 'node:path'
import { listSupportedBackends } from 'onnxruntime-node'
import { chooseProvider, type Unusable } from '../engines/onnx/provider.ts'
import { missingFiles, modelFolder, readManifest } from '../model-store/manifest.ts'
import { DOCTOR_LIMITS } from './doctor-limits.ts'
import type { Check, Facts } from './facts.ts'
import { note, ok, skipped, wrong, type Finding } from './finding.ts'

export const checkProviders: Check = async (facts) => {
  const own = (facts.config?.models ?? []).filter(({ engine }) => engine === 'onnx')
  if (own.length === 0)
    return [
      facts.config
        ? ok('no model is computed in this program')
        : skipped('execution providers: config.json says which are wanted'),
    ]
  const file = await someGraph(facts)
  if (file === null) return [skipped('execution providers: no model is there yet to try them on')]
  const wanted = [...new Set(own.map(({ executionProvider = 'auto' }) => executionProvider))]
  const listed = listSupportedBackends().map(({ name }) => name)
  const strange = wanted.filter((name) => name !== 'auto' && !listed.includes(name))
  const tried = wanted.includes('auto') ? listed : listed.filter((name) => wanted.includes(name))
  const { unusable, measured } = await chooseProvider({
    file,
    configured: 'auto',
    listed: tried,
    optionsOf: (name) => ({ executionProviders: [name], intraOpNumThreads: 1, logSeverityLevel: 4 }),
    probeMs: DOCTOR_LIMITS.providerMs,
  })
  const usable = ['cpu', ...Object.keys(measured).filter((name) => name !== 'cpu')]
  return providerFindings({ wanted, strange, usable, unusable })
}

/** (rule) */
export function providerFindings({
  wanted,
  strange,
  usable,
  unusable,
}: {
  readonly wanted: readonly string[]
  /** that this build of the runtime does not know */
  readonly strange: readonly string[]
  readonly usable: readonly string[]
  readonly unusable: readonly Unusable[]
}): Finding[] {
  const mend = 'install its driver and libraries, or set "executionProvider": "auto" in config.json'
  const refused = strange.map((name) =>
    wrong(`there is no execution provider ${name} in this runtime: cpu computes in its place`, mend),
  )
  const broken = unusable
    .filter(({ provider }) => wanted.includes(provider))
    .map(({ provider, cause }) =>
      wrong(`${provider} does not work: ${printable(cause)}; cpu computes in its place`, mend),
    )
  const others = unusable.filter(({ provider }) => !wanted.includes(provider)).map(({ provider }) => provider)
  const computes = ok(`computed by ${usable.join(', ')}`)
  const gpu =
    others.length > 0 && usable.length === 1
      ? [note(`without a graphics card: ${others.join(', ')} do${others.length === 1 ? 'es' : ''} not work here`)]
      : []
  return [...refused, ...broken, computes, ...gpu]
}

/** The runtime's own words: without what could move a terminal. */
const printable = (text: string): string => text.replace(/[^\x20-\x7e]+/g, ' ').trim()

/** The first graph that is there. */
async function someGraph({ config, home }: Facts): Promise<string | null> {
  for (const entry of config?.models ?? []) {
    if (entry.engine !== 'onnx') continue
    const folder = modelFolder(entry.folder, home)
    const manifest = await readManifest(folder).catch(() => null)
    if (!manifest || (await missingFiles(folder, manifest)).length > 0) continue
    const graph = Object.keys(manifest.files).find((name) => name.endsWith('.onnx'))
    if (graph !== undefined) return join(folder, graph)
  }
  return null
}
