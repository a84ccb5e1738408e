// What a manifest's schema cannot say (rule): that its parts fit each other and its task. Without files there is nothing to pin, without an answer
// there is nothing to probe, and a probe that no node could pass would keep every node out.
import { TENSOR_TASKS, type ModelManifest, type Probe } from '../../../protocol/model.ts'
import { tensorFromJson } from '../../../protocol/oip-json.ts'
import type { OipTensorJson, Tensor } from '../../../protocol/oip.ts'
import { licencesOf } from '../../../protocol/spdx.ts'
import { GatewayError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import { answerMisfit, requestMisfit } from './tensor-fit.ts'

/** @throws GatewayError invalid_request, with the field */
export function requireSense(manifest: ModelManifest): void {
  if (JSON.stringify(manifest).length > LIMITS.manifestCharacters)
    throw wrong('probes', `A manifest has at most ${LIMITS.manifestCharacters} characters: probe with less data.`)
  if (licencesOf(manifest.licence) === null)
    throw wrong('licence', 'It is an SPDX expression, such as MIT or LicenseRef-Mine.')
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
  const [inputs, known] = [readAll(probe.inputs, `${param}.inputs`), readAll(probe.outputs, `${param}.outputs`)]
  const names = known.map(({ name }) => name)
  const wrongInput = requestMisfit({ inputs, outputs: [] }, tensors)
  if (wrongInput) throw wrong(`${param}.inputs`, wrongInput.why)
  const wrongOutput = answerMisfit(known, names, tensors)
  if (wrongOutput) throw wrong(`${param}.outputs`, wrongOutput.why)
}

function readAll(tensors: readonly OipTensorJson[], param: string): Tensor[] {
  return tensors.map((json, index) => {
    const tensor = tensorFromJson(json)
    if (!tensor.ok) throw wrong(`${param}.${index}`, tensor.detail ?? 'It is no tensor.')
    if (tensors.findIndex(({ name }) => name === json.name) < index)
      throw wrong(`${param}.${index}`, `"${json.name}" stands there twice.`)
    return tensor.value
  })
}

const wrong = (field: string, detail: string) =>
  new GatewayError('invalid_request', { param: `manifest.${field}`, detail })
