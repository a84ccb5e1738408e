// Whether a manifest names every file its graphs take weights from: a node opens no other, so a model that forgets one could be loaded by nobody.
import { join } from 'node:path'
import { dataFilesOf } from '../model-store/graph-files.ts'
import { OperatorError } from '../operator-error.ts'

/** @throws OperatorError naming the graph and the file */
export async function requireNamedWeights(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const name of Object.keys(files).filter((file) => file.endsWith('.onnx'))) {
    const stray = (await dataFilesOf(join(folder, name))).find((data) => !Object.hasOwn(files, data))
    if (stray !== undefined)
      throw new OperatorError(
        `${name} takes weights from ${JSON.stringify(stray.slice(0, 100))}, which is not among the files of its manifest`,
      )
  }
}
