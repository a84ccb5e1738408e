// Model folders, under the name by which engines have known them: the code is in model-store/.
export { loadModel } from './model-store/check.ts'
export { modelDigest, modelFolder, readManifest, type LoadedModel } from './model-store/manifest.ts'
