// One served model's coming and going: loaded when it is first needed, unloaded when room is needed and nobody is served by it, loaded again by
// its next call. Several calls that wait are one load; the wait is bounded by each call's own time, and by how many may wait.
import { EngineRefusal, type Engine, type JobOwner } from '../engines/engine.ts'
import type { Honours } from '../engines/honours.ts'
import { OperatorError } from '../operator-error.ts'
import type { Memory, Tenant } from './memory.ts'
import { STORE_LIMITS } from './store-limits.ts'

export type ResidentState = 'unloaded' | 'loading' | 'loaded' | 'failed'

export interface ResidentNeeds {
  readonly bytes: number
  readonly memory: Memory
  /** Checks the files and opens the engine. @throws OperatorError */
  readonly open: () => Promise<Engine>
  /** calls that may wait for the load */
  readonly waitingMax: number
  /** ms since the Unix epoch */
  readonly now: () => number
  /** seconds a call waited for the load. @param call its own signal */
  readonly waited?: (seconds: number, call: AbortSignal) => void
  readonly on: (event: 'loading' | 'loaded' | 'unloaded' | 'failed', details: { ms?: number; reason?: string }) => void
}

export class Resident implements Tenant {
  readonly #needs: ResidentNeeds
  #engine: Engine | null = null
  #load: { readonly done: Promise<Engine>; readonly giveUp: AbortController } | null = null
  #unload: Promise<void> | null = null
  #failure: { readonly at: number; readonly reason: string } | null = null
  #calls = 0
  #waiting = 0
  #usedAt: number
  #isClosed = false
  #died: (reason: string) => void = () => undefined
  /** of the engine that is or was loaded */
  #description: Readonly<Record<string, string | number>> | null = null
  #honours: Honours | null = null
  readonly died: Promise<string>

  constructor(needs: ResidentNeeds) {
    this.#needs = needs
    this.#usedAt = needs.now()
    this.died = new Promise((resolve) => (this.#died = resolve))
  }

  get bytes(): number {
    return this.#needs.bytes
  }
  usedAt(): number {
    return this.#usedAt
  }
  isIdle(): boolean {
    return this.#calls === 0 && this.#waiting === 0 && this.#load === null
  }

  state(): ResidentState {
    if (this.#load) return 'loading'
    if (this.#engine) return this.#engine.isRunning() ? 'loaded' : 'failed'
    return this.#failure ? 'failed' : 'unloaded'
  }
  /** why it could not be loaded, for the operator */
  reason(): string | null {
    return this.#failure?.reason ?? null
  }
  describe(): Readonly<Record<string, string | number>> | null {
    return this.#engine?.describe() ?? this.#description
  }
  honours(): Honours | null {
    return this.#engine?.honours() ?? this.#honours
  }
  load(): { inFlight: number; waiting: number } {
    const { inFlight, waiting } = this.#engine?.load() ?? { inFlight: 0, waiting: 0 }
    return { inFlight, waiting: waiting + this.#waiting }
  }

  /** Loads it without a call. @throws OperatorError */
  async ensure(): Promise<void> {
    this.#waiting += 1
    try {
      await this.#loaded()
    } finally {
      this.#waiting -= 1
      this.#left()
    }
  }

  /**
   * An engine for one call, which stays loaded until `leave` is called. @throws EngineRefusal `busy` when too many wait or the call's time is up,
   * `internal` when the model cannot be loaded or the caller left
   */
  async enter({ startBy }: JobOwner, signal: AbortSignal): Promise<{ engine: Engine; leave: () => void }> {
    if (this.#isClosed) throw new EngineRefusal('internal', 'The model is not running.')
    if (!this.#engine || this.#unload) await this.#wait(startBy, signal)
    else this.#calls += 1
    let isIn = true
    const leave = () => {
      if (!isIn) return
      isIn = false
      this.#calls -= 1
      this.#left()
    }
    const engine = this.#engine
    if (engine) return { engine, leave }
    leave()
    throw new EngineRefusal('internal', 'The model is not running.')
  }

  /** Resolves with the caller counted among the calls: one who waited and one who is served keep the model, so nobody unloads it in between. */
  async #wait(startBy: number, signal: AbortSignal): Promise<void> {
    const { now, waitingMax } = this.#needs
    const lastFailure = this.#failure
    if (lastFailure && now() - lastFailure.at < STORE_LIMITS.reloadMs)
      throw new EngineRefusal('internal', 'The model could not be loaded.')
    if (this.#waiting >= waitingMax) throw tooBusy('Too many calls wait for this model to be loaded.')
    this.#waiting += 1
    const since = now()
    try {
      await within(this.#loaded(), startBy - now(), signal)
      this.#calls += 1
      this.#needs.waited?.((now() - since) / 1_000, signal)
    } catch (cause) {
      if (cause instanceof EngineRefusal) throw cause
      throw new EngineRefusal('internal', 'The model could not be loaded.', { cause })
    } finally {
      this.#waiting -= 1
      if (this.#waiting === 0) this.#load?.giveUp.abort()
      if (this.isIdle()) this.#needs.memory.changed()
    }
  }

  #loaded(): Promise<Engine> {
    if (this.#engine && !this.#unload) return Promise.resolve(this.#engine)
    if (this.#load) return this.#load.done
    const giveUp = new AbortController()
    const done = this.#open(giveUp.signal).finally(() => {
      this.#load = null
      // Nobody may want it any more: then whoever waits for room can have its.
      if (this.isIdle()) this.#needs.memory.changed()
    })
    done.catch(() => undefined)
    this.#load = { done, giveUp }
    return done
  }

  async #open(signal: AbortSignal): Promise<Engine> {
    const { memory, open, now, on } = this.#needs
    await this.#unload
    try {
      await memory.reserve(this, signal)
    } catch {
      throw tooBusy('There was no room for this model in time.')
    }
    const startedAt = now()
    on('loading', {})
    try {
      const engine = await open()
      if (this.#isClosed) {
        await engine.close()
        throw new OperatorError('the model is not served any more')
      }
      this.#engine = engine
      this.#failure = null
      this.#usedAt = now()
      this.#description = engine.describe()
      this.#honours = engine.honours()
      void engine.died.then((reason) => this.#died(reason))
      on('loaded', { ms: now() - startedAt })
      return engine
    } catch (cause) {
      memory.release(this)
      const reason = cause instanceof OperatorError ? cause.message : cause instanceof Error ? cause.name : 'unknown'
      this.#failure = { at: now(), reason }
      if (!this.#isClosed) on('failed', { reason })
      throw cause
    }
  }

  #left(): void {
    this.#usedAt = this.#needs.now()
    if (this.isIdle()) this.#needs.memory.changed()
  }

  unload(): Promise<void> {
    return (this.#unload ??= this.#unloaded().finally(() => (this.#unload = null)))
  }

  async #unloaded(): Promise<void> {
    const engine = this.#engine
    if (!engine) return
    await engine.close().catch(() => undefined)
    this.#engine = null
    this.#needs.memory.release(this)
    this.#needs.on('unloaded', {})
  }

  /** For good. Calls are told by their engine; a load under way is thrown away. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#load?.giveUp.abort()
    await this.#load?.done.catch(() => undefined)
    await this.unload()
  }
}

const tooBusy = (message: string) => new EngineRefusal('busy', message, { retryAfterSeconds: 5 })

/** @throws EngineRefusal when the time is up or the caller leaves first */
function within<T>(work: Promise<T>, ms: number, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(
      () => stop(tooBusy('This model was not loaded in time.')),
      Math.max(0, Math.min(ms, 2 ** 31 - 1)),
    )
    const leave = () => stop(new EngineRefusal('internal', 'The caller left.'))
    const clear = () => {
      clearTimeout(late)
      signal.removeEventListener('abort', leave)
    }
    const stop = (refusal: EngineRefusal) => {
      clear()
      reject(refusal)
    }
    signal.addEventListener('abort', leave, { once: true })
    if (signal.aborted) return leave()
    work.then(resolve, reject).finally(clear)
  })
}
