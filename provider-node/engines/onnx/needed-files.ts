// Which files each task reads from its model's folder (rule). They must stand in the manifest: what lies beside them was never hashed, and would
// decide answers under a digest that does not cover it.
import type { ModelManifest } from '../../../protocol/model.ts'

/** Names of files that would be read although the manifest does not have them; graphs of other names are found in the manifest itself. */
export function unnamedFiles(manifest: Pick<ModelManifest, 'task' | 'files' | 'tokenizer'>): string[] {
  return neededFiles(manifest).filter((name) => !Object.hasOwn(manifest.files, name))
}

function neededFiles({ task, files, tokenizer = 'tokenizer.json' }: Parameters<typeof unnamedFiles>[0]): string[] {
  const words = [tokenizer, 'tokenizer_config.json']
  switch (task) {
    case 'chat':
    case 'embeddings':
      return words
    case 'classification':
      return ['model.onnx', 'labels.json', ...('ngrams.json' in files ? [] : words)]
    case 'ocr':
      return ['det.onnx', 'cls.onnx', 'rec.onnx', 'keys.txt']
    case 'tensors':
      return []
    default:
      return task satisfies never
  }
}
