// What a manifest's schema cannot say (rule): that its parts fit each other and its task. Without files there is nothing to pin, without an answer
// there is nothing to probe, and a probe that no node could pass would keep every node out.
import { TENSOR_TASKS, type ModelManifest, type Probe } from '../../protocol/model.ts'
import { tensorFromJson } from '../../protocol/oip-json.ts'
import { tensorBytes, type OipTensorJson, type Tensor, type TensorSpec } from '../../protocol/oip.ts'
import { GatewayError } from '../core/errors.ts'

/** @throws GatewayError invalid_request, with the field */
export function requireSense(manifest: ModelManifest): void {
  requireFiles(manifest)
  const { task, dimensions, dimensionsMin, probes } = manifest
  if (task === 'embeddings' && dimensions === undefined)
    throw wrong('dimensions', 'An embedding model states its length.')
  if (dimensionsMin !== undefined && dimensionsMin > (dimensions ?? 0))
    throw wrong('dimensionsMin', 'It is at most the length of a whole vector.')
  if (TENSOR_TASKS.has(task)) {
    for (const [index, probe] of probes.entries()) requireTensorProbe(manifest, probe, `probes.${index}`)
    return
  }
  if (probes.some((probe) => !('input' in probe)))
    throw wrong('probes', 'A model of words is probed in words, not in tensors.')
  if (task === 'chat' && probes.some((probe) => !('contains' in probe)))
    throw wrong('probes', 'A chat probe states what its answer contains.')
}

function requireFiles({ files, sizes = {}, sources = [], sourcePaths = {} }: ModelManifest): void {
  if (Object.keys(files).length === 0) throw wrong('files', 'A model has files.')
  for (const [field, named] of Object.entries({ sizes, sourcePaths })) {
    const stranger = Object.keys(named).find((name) => !Object.hasOwn(files, name))
    if (stranger !== undefined) throw wrong(field, `"${stranger}" is not among its files.`)
  }
  if (sources.some((source) => new URL(source).protocol !== 'https:'))
    throw wrong('sources', 'Sources are HTTPS addresses.')
  // A path is put behind a source's own: it must not lead out of it.
  const stray = Object.values(sourcePaths).find((path) => path.startsWith('/') || path.split('/').includes('..'))
  if (stray !== undefined) throw wrong('sourcePaths', 'A path stays below its source.')
}

function requireTensorProbe({ task, tensors }: ModelManifest, probe: Probe, param: string): void {
  if (!tensors) throw wrong('tensors', `A model for ${task} states its inputs and outputs.`)
  if ('input' in probe) throw wrong(param, `A probe of a model for ${task} is in tensors.`)
  requireSpecified(probe.inputs, tensors.inputs, `${param}.inputs`)
  const known = requireSpecified(probe.outputs, tensors.outputs, `${param}.outputs`)
  if (tensorBytes(known) > tensors.outputBytesMax)
    throw wrong(`${param}.outputs`, `They have more than the ${tensors.outputBytesMax} bytes that a call may give.`)
}

/** Every one is of the model, stands once and can be read. */
function requireSpecified(tensors: readonly OipTensorJson[], specs: readonly TensorSpec[], param: string): Tensor[] {
  return tensors.map((json, index) => {
    const spec = specs.find(({ name }) => name === json.name)
    if (!spec) throw wrong(`${param}.${index}`, `"${json.name}" does not stand in tensors.`)
    if (tensors.findIndex(({ name }) => name === json.name) < index)
      throw wrong(`${param}.${index}`, `"${json.name}" stands there twice.`)
    if (spec.datatype !== json.datatype)
      throw wrong(`${param}.${index}`, `"${json.name}" is ${spec.datatype} in tensors.`)
    const tensor = tensorFromJson(json)
    if (!tensor.ok) throw wrong(`${param}.${index}`, tensor.detail ?? 'It is no tensor.')
    return tensor.value
  })
}

const wrong = (param: string, detail: string) => new GatewayError('invalid_request', { param, detail })
