// The people of a simulated world: consumers, operators, an author, their guards, two books, the registry. Some play two roles, some have
// limits, some are poor: each seed is another village.
import type { AccountPort, Accounts, ChargeTerms } from '../../gateway/ledger/account-port.ts'
import { createBooks } from '../../gateway/ledger/book/book.ts'
import { createEventBook } from '../../gateway/ledger/events/event-book.ts'
import type { CreateKey } from '../../gateway/ledger/limits/limit-port.ts'
import {
  instant,
  nanos,
  newAccountId,
  newKeyId,
  newNodeId,
  type AccountId,
  type KeyId,
  type ModelId,
  type NodeId,
} from '../../protocol/units.ts'
import { BookDisk } from './book-disk.ts'
import { NO_FAULTS } from './faults.ts'
import { SimGuard, type Reach } from './guards.ts'
import { Network } from './network.ts'
import { Truth } from './truth.ts'
import type { Life, World } from './world.ts'

export const MODEL = 'souk/tiny-chat' as ModelId
export const SECRET_HASH = 'ab'.repeat(32)

export interface SimOffer {
  readonly nodeId: NodeId
  readonly terms: Omit<ChargeTerms, 'vesting'>
  /** of the operator's share, and ms until it can be spent */
  readonly vesting: { readonly shareBps: number; readonly ms: number } | null
}

export interface SimKey {
  readonly account: AccountId
  readonly keyId: KeyId
  readonly key: CreateKey
}

export class Market {
  readonly truth = new Truth()
  readonly network: Network
  readonly guards = new Map<AccountId, SimGuard>()
  readonly books = [new BookDisk('book'), new BookDisk('book')]
  readonly registry = new BookDisk('registry')
  readonly offers: SimOffer[] = []
  readonly keys: SimKey[] = []
  readonly bookOf = new Map<AccountId, number>()

  constructor(readonly world: World) {
    this.network = new Network(world, NO_FAULTS)
  }

  guard(id: AccountId): SimGuard {
    const guard = this.guards.get(id)
    if (!guard) throw new Error(`nobody is called ${id}`)
    return guard
  }

  /** A guard as others see it: over the network. */
  remote(from: Life): Accounts {
    return (id) => {
      const guard = this.guard(id)
      const methods = new Proxy(
        {},
        {
          get:
            (_, name) =>
            (...args: unknown[]) =>
              this.network.ask(from, `${guard.name}.${String(name)} ${idIn(args)}`, () =>
                guard.invoke(async (account) => {
                  const method: unknown = Reflect.get(account, name, account)
                  if (typeof method !== 'function') throw new TypeError(`${String(name)} is no method of a guard`)
                  const reply: unknown = await Reflect.apply(method, account, args)
                  // Here it has happened, whoever hears of it.
                  this.truth.noteDone(String(name), args[0], reply)
                  return reply
                }),
              ),
        },
      )
      return methods as AccountPort // it answers for every method of the port
    }
  }

  /** Books that were lost since somebody looked. */
  readonly lostBooks: number[] = []
  hasLostBook = false

  loseBook(n: number): void {
    this.world.log(`book ${n} is lost`)
    this.books[n]?.wipe()
    this.lostBooks.push(n)
    this.hasLostBook = true
  }

  close(): void {
    for (const guard of this.guards.values()) {
      guard.evict()
      guard.disk.close()
    }
    for (const book of [...this.books, this.registry]) book.close()
  }

  /** Before anything can fail. */
  async settleIn(): Promise<void> {
    const { random } = this.world
    const names = ['ann', 'ben', 'cleo', 'olga', 'otto', 'aida']
    const ids = names.map((name) => this.#newGuard(name))
    const [ann, ben, cleo, olga, otto, aida] = ids as [AccountId, AccountId, AccountId, AccountId, AccountId, AccountId] // six names above
    for (const id of ids) {
      const book = random.below(this.books.length)
      this.bookOf.set(id, book)
      await this.guard(id).invoke((account) => account.open(id, book))
    }
    const authors = [aida, aida, olga]
    const operators = [olga, otto, otto, ann]
    for (let n = random.between(2, 4); n > 0; n--)
      this.offers.push(this.#newOffer(random.pick(operators), random.pick(authors)))
    // Whoever earns may spend it: operators and the author have keys too.
    for (const id of [ann, ben, cleo, olga, ann]) await this.#newKey(id)
  }

  #newGuard(name: string): AccountId {
    const id = newAccountId(this.world.random.bytes)
    const reach: Reach = {
      accounts: (from) => this.remote(from),
      books: (from) => createBooks(this.books.map((book, n) => book.over(this.network.carry(from, `book${n}`)))),
      events: (from) => createEventBook(this.registry.over(this.network.carry(from, 'registry'))),
    }
    this.guards.set(id, new SimGuard(id, name, this.network, reach))
    return id
  }

  #newOffer(operator: AccountId, author: AccountId): SimOffer {
    const { random } = this.world
    const price = (most: number) => nanos(BigInt(random.between(0, most)))
    return {
      nodeId: newNodeId(random.bytes),
      terms: {
        price: {
          // Odd prices, so that every rounding shows.
          inputPerMillion: price(900_000_007),
          outputPerMillion: price(3_000_000_011),
          cachedInputPerMillion: nanos(0n),
          bytesPerMillion: nanos(0n),
          perCall: price(random.chance(0.5) ? 0 : 900),
        },
        operator,
        author,
        royaltyBps: random.pick([0, 1, 333, 1_000]),
        feeBps: random.pick([0, 500, 777]),
      },
      vesting: random.chance(0.3)
        ? { shareBps: random.pick([2_500, 3_333, 10_000]), ms: random.between(1_000, 900_000) }
        : null,
    }
  }

  async #newKey(account: AccountId): Promise<void> {
    const { random } = this.world
    const key: CreateKey = {
      id: newKeyId(random.bytes),
      secretHash: SECRET_HASH,
      hint: 'sk-souk-…',
      name: 'sim',
      scopes: ['inference'],
      models: null,
      nodes: null,
      limit: random.chance(0.5)
        ? {
            nanos: nanos(BigInt(random.between(50_000, 2_000_000))),
            period: random.pick(['total', 'total', 'day']),
            shadow: random.chance(0.2),
          }
        : null,
      rpm: random.chance(0.2) ? random.between(5, 60) : null,
      tpm: null,
      concurrency: random.chance(0.4) ? random.between(1, 3) : null,
      ratesShadow: random.chance(0.2),
      expiresAt: random.chance(0.1) ? instant(this.world.now + 600_000) : null,
    }
    await this.guard(account).invoke((port) => port.createKey(key))
    this.keys.push({ account, keyId: key.id, key })
  }
}

/** What a log line needs to be found again. */
function idIn([first]: readonly unknown[]): string {
  if (typeof first === 'string') return first
  if (typeof first !== 'object' || first === null) return ''
  const { callId, transferId, payer, toSeq } = first as Record<string, unknown> // any of them may be missing
  return String(callId ?? transferId ?? (payer === undefined ? '' : `${String(payer)}…${String(toSeq)}`))
}
