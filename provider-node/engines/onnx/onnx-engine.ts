// Models as ONNX files, run by onnxruntime in worker threads of this process: text is generated step by step, everything else is computed in one go.
import type { LoadedModel } from '../../model-store/manifest.ts'
import { OperatorError } from '../../operator-error.ts'
import type { EngineOptions } from '../create.ts'
import type { Engine } from '../engine.ts'
import { unnamedFiles } from './needed-files.ts'
import { createTaskEngine } from './task-engine.ts'
import { createTextEngine } from './text/text-engine.ts'

/** Loads a checked model. @throws OperatorError when the runtime cannot read it */
export async function createOnnxEngine(model: LoadedModel, options: EngineOptions): Promise<Engine> {
  const { manifest } = model
  const [unnamed] = unnamedFiles(manifest)
  if (unnamed !== undefined)
    throw new OperatorError(
      `model ${manifest.id} could not be loaded: its manifest does not name ${unnamed}, which its task reads`,
    )
  return manifest.task === 'chat' ? createTextEngine(model, options) : createTaskEngine(model, options)
}
