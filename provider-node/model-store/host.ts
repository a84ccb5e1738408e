// The models this node serves, as a live list: entries of the configuration come, change and go while it runs. What is added is prepared and loaded
// beside serving, what is removed finishes its calls first, and an entry that fails harms no other.
import type { ModelConfig, NodeConfig } from '../config.ts'
import { basename } from 'node:path'
import { jcs } from '../../protocol/canonical.ts'
import type { OfferRequest } from '../../protocol/node.ts'
import type { Engine } from '../engines/engine.ts'
import { NODE_LIMITS } from '../limits.ts'
import { toOffer } from '../offers.ts'
import { OperatorError } from '../operator-error.ts'
import { checkFiles } from './check.ts'
import type { DownloadNeeds } from './download.ts'
import { createHosted, type Hosted, type HostedNeeds, type ServedModel } from './hosted.ts'
import { modelFolder, readManifest, type LoadedModel } from './manifest.ts'
import { createMemory, type Memory } from './memory.ts'
import { prepareModel } from './prepare.ts'
import type { ResidentState } from './resident.ts'

export interface ModelStatus {
  /** the folder's name while the manifest has not been read: pages that are open show no path */
  readonly model: string
  readonly digest: string | null
  readonly state: ResidentState | 'draining'
  /** of `failed`, in words */
  readonly reason: string | null
  /** bytes of memory it takes while loaded, as counted */
  readonly bytes: number
  readonly engine: Engine | null
}

export interface ModelHost {
  /** what may be called now */
  models(): readonly ServedModel[]
  /** everything that is configured or still draining */
  status(): readonly ModelStatus[]
  readonly memory: Pick<Memory, 'usedBytes' | 'maxBytes'>
  /** what the gateway should know of all that may be called now */
  offers(): OfferRequest[]
  /** Brings what is served in line with this; resolves when everything is loaded, failed or gone. Never rejects. */
  apply(config: HostConfig): Promise<void>
  /** Unloads these, by id and why, and loads again what is among them no more; resolves when that is done. Never rejects. */
  block(models: ReadonlyMap<string, string>): Promise<void>
  /** Resolves with a sentence when a served model's engine died. */
  readonly died: Promise<string>
  close(): Promise<void>
}

type HostConfig = Pick<NodeConfig, 'models' | 'memoryMaxBytes'>

export interface HostNeeds extends HostedNeeds {
  /** the state folder */
  readonly home: string
  readonly download?: Pick<DownloadNeeds, 'fetch' | 'wait' | 'freeBytes'>
  /** Told when a changed configuration has changed what is offered. Never rejects. */
  readonly offersChanged?: (offers: readonly OfferRequest[]) => Promise<void>
}

/** One entry of the configuration. */
interface Slot {
  entry: ModelConfig
  /** what serves it now; of an entry that changed, the old one until the new one is there */
  hosted: Hosted | null
  state: 'loading' | 'served' | 'failed'
  reason: string | null
  /** id of the model that was unloaded because it is blocked */
  blockedId: string | null
  readonly stop: AbortController
  done: Promise<void>
}

/** ms between two looks whether a model that goes has finished its calls */
const DRAIN_LOOK_MS = 50

/** Loads every model of the configuration, one after the other. @throws OperatorError for the first that cannot be served; then none is left loaded */
export async function createModelHost(config: HostConfig, needs: HostNeeds): Promise<ModelHost> {
  const host = new Host(config.memoryMaxBytes, needs)
  try {
    await host.begin(config.models)
    return host
  } catch (cause) {
    await host.close()
    throw cause
  }
}

class Host implements ModelHost {
  readonly #needs: HostNeeds
  readonly memory: Memory
  /** by folder, as the configuration writes it */
  readonly #slots = new Map<string, Slot>()
  readonly #leaving = new Set<Hosted>()
  #blocked: ReadonlyMap<string, string> = new Map()
  readonly #closing = new AbortController()
  #report: (sentence: string) => void = () => undefined
  readonly died = new Promise<string>((resolve) => (this.#report = resolve))

  constructor(memoryMaxBytes: number | null, needs: HostNeeds) {
    this.#needs = needs
    this.memory = createMemory(memoryMaxBytes)
  }

  models(): readonly ServedModel[] {
    return [...this.#slots.values()].flatMap(({ hosted }) => (hosted ? [hosted] : []))
  }

  status(): readonly ModelStatus[] {
    const configured = [...this.#slots.values()].map(({ entry, hosted, state, reason }): ModelStatus => {
      if (hosted) return statusOf(hosted, hosted.resident.state(), reason ?? hosted.resident.reason())
      const common = { model: basename(entry.folder), digest: null, bytes: 0, engine: null }
      return { ...common, state: state === 'failed' ? 'failed' : 'loading', reason }
    })
    return [...configured, ...[...this.#leaving].map((hosted) => statusOf(hosted, 'draining', null))]
  }

  async begin(entries: readonly ModelConfig[]): Promise<void> {
    for (const entry of entries) {
      if (this.#slots.has(entry.folder)) throw twice(entry.folder)
      await this.#fill(this.#slot(entry, null))
    }
  }

  async apply({ models, memoryMaxBytes }: HostConfig): Promise<void> {
    this.memory.setMax(memoryMaxBytes)
    const wanted = new Map<string, ModelConfig>()
    for (const entry of models) {
      if (wanted.has(entry.folder)) this.#failed(entry.folder, twice(entry.folder))
      else wanted.set(entry.folder, entry)
    }
    const before = JSON.stringify(this.offers())
    const gone = [...this.#slots].filter(([folder]) => !wanted.has(folder)).map(([, slot]) => this.#retire(slot))
    const kept = [...wanted.values()].map((entry) => this.#follow(entry))
    await Promise.all([...gone, ...kept])
    if (JSON.stringify(this.offers()) === before) return
    this.#needs.log('info', 'offers_changed')
    await this.#needs.offersChanged?.(this.offers())
  }

  async block(models: ReadonlyMap<string, string>): Promise<void> {
    this.#blocked = models
    await Promise.all(
      [...this.#slots.values()].map(async (slot) => {
        const { hosted, entry, blockedId } = slot
        if (hosted && models.has(hosted.manifest.id)) {
          const { id } = hosted.manifest
          Object.assign(slot, { hosted: null, state: 'failed', blockedId: id, reason: this.#whyBlocked(id).message })
          await this.#drain(hosted)
        } else if (blockedId !== null && !models.has(blockedId)) await this.#load(this.#slot(entry, null))
      }),
    )
  }

  #whyBlocked(id: string): OperatorError {
    return new OperatorError(`the model ${id} is blocked by the gateway: ${this.#blocked.get(id) ?? ''}`)
  }

  offers(): OfferRequest[] {
    return [...this.#slots.values()].flatMap(({ entry, hosted }) =>
      hosted ? [toOffer(entry, hosted, hosted.engine.honours())] : [],
    )
  }

  /** An entry that is wanted: new, changed, or as it was. */
  async #follow(entry: ModelConfig): Promise<void> {
    const slot = this.#slots.get(entry.folder)
    if (!slot) return this.#load(this.#slot(entry, null))
    const isSame = sameEngine(slot.entry, entry)
    slot.entry = entry
    if (isSame && slot.state === 'loading') return slot.done
    if (isSame && slot.state === 'served' && !(await this.#hasNewFiles(slot))) return
    slot.stop.abort()
    await slot.done
    // Meanwhile another change may have come.
    if (this.#slots.get(entry.folder) === slot) await this.#load(this.#slot(entry, slot.hosted))
  }

  async #hasNewFiles({ entry, hosted }: Slot): Promise<boolean> {
    const manifest = await readManifest(modelFolder(entry.folder, this.#needs.home)).catch(() => null)
    return manifest !== null && hosted !== null && JSON.stringify(manifest) !== JSON.stringify(hosted.manifest)
  }

  #slot(entry: ModelConfig, hosted: Hosted | null): Slot {
    const stop = new AbortController()
    const slot: Slot = { entry, hosted, state: 'loading', reason: null, blockedId: null, stop, done: Promise.resolve() }
    this.#slots.set(entry.folder, slot)
    return slot
  }

  async #load(slot: Slot): Promise<void> {
    slot.done = this.#fill(slot).catch((cause: unknown) => {
      if (slot.stop.signal.aborted) return
      slot.state = 'failed'
      slot.reason = this.#failed(slot.hosted?.manifest.id ?? slot.entry.folder, cause)
    })
    await slot.done
  }

  /** @returns the sentence it has logged */
  #failed(model: string, cause: unknown): string {
    const reason = cause instanceof OperatorError ? cause.message : cause instanceof Error ? cause.name : 'unknown'
    this.#needs.log('warn', 'model_failed', { model, reason })
    return reason
  }

  /** Prepares and loads, and only then takes the place of what served the entry before. @throws OperatorError; what served goes on */
  async #fill(slot: Slot): Promise<void> {
    const { entry, stop } = slot
    const model = await this.#prepared(entry, stop.signal)
    const { id } = model.manifest
    if (this.#blocked.has(id)) {
      slot.blockedId = id
      throw this.#whyBlocked(id)
    }
    const hosted = await createHosted(entry, model, this.memory, this.#needs)
    try {
      this.#refuseSecond(slot, hosted)
      const { memory } = this
      const max = memory.maxBytes()
      const fits = max === null || memory.usedBytes() + hosted.resident.bytes <= max
      if (fits) await hosted.resident.ensure()
      // It is loaded by its first call; that it could be is known now.
      else if (entry.engine === 'onnx') await checkFiles(model)
      stop.signal.throwIfAborted()
      this.#refuseSecond(slot, hosted)
    } catch (cause) {
      await hosted.engine.close()
      throw cause
    }
    const before = slot.hosted
    Object.assign(slot, { hosted, state: 'served', reason: null })
    void hosted.engine.died.then((why) => {
      if (slot.hosted === hosted) this.#report(`the model ${model.manifest.id} died: ${why}`)
    })
    if (before) await this.#drain(before)
  }

  #prepared(entry: ModelConfig, signal: AbortSignal): Promise<LoadedModel> {
    const { home, env, log, now, metrics, download } = this.#needs
    const onBytes = (id: string, bytes: number) => metrics.downloaded.add({ model: id }, bytes)
    return prepareModel(entry, home, { ...download, log, now, signal, mirror: env.SOUK_NODE_MODEL_MIRROR, onBytes })
  }

  #refuseSecond(slot: Slot, { manifest: { id } }: Hosted): void {
    for (const other of this.#slots.values()) if (other !== slot && other.hosted?.manifest.id === id) throw twice(id)
  }

  async #retire(slot: Slot): Promise<void> {
    this.#slots.delete(slot.entry.folder)
    slot.stop.abort()
    const { hosted } = slot
    slot.hosted = null
    if (hosted) await this.#drain(hosted)
    await slot.done
  }

  /** Nobody finds it any more; who is being served may finish. */
  async #drain(hosted: Hosted): Promise<void> {
    const { log, now } = this.#needs
    const { engine, manifest } = hosted
    this.#leaving.add(hosted)
    log('info', 'model_draining', { model: manifest.id })
    const until = now() + NODE_LIMITS.callMs
    const isBusy = () => engine.load().inFlight + engine.load().waiting > 0
    // At least one look: a call that has just found it has not reached its engine yet.
    do {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_LOOK_MS))
    } while (isBusy() && now() < until && !this.#closing.signal.aborted)
    await engine.close()
    this.#leaving.delete(hosted)
    log('info', 'model_removed', { model: manifest.id, digest: hosted.digest })
  }

  async close(): Promise<void> {
    this.#closing.abort()
    const slots = [...this.#slots.values()]
    for (const { stop } of slots) stop.abort()
    await Promise.all(this.models().map(({ engine }) => engine.close()))
    await Promise.all([...slots.map(({ done }) => done), ...[...this.#leaving].map(({ engine }) => engine.close())])
  }
}

const statusOf = (hosted: Hosted, state: ModelStatus['state'], reason: string | null): ModelStatus => ({
  ...{ model: hosted.manifest.id, digest: hosted.digest, state, reason },
  ...{ bytes: hosted.resident.bytes, engine: hosted.engine },
})

const twice = (what: string) => new OperatorError(`the model ${what} is configured twice: one node serves it once`)

/** Prices are between the operator and the gateway: what computes does not know them. */
const sameEngine = (a: ModelConfig, b: ModelConfig): boolean => asLoaded(a) === asLoaded(b)

/** What is only told to the gateway is nothing to load anew for. */
const asLoaded = (entry: ModelConfig): string =>
  jcs(JSON.parse(JSON.stringify({ ...entry, prices: null, collectsData: null })))
