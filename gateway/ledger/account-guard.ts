// Placeholder until the ledger room lands.
import { DurableObject } from 'cloudflare:workers'
import type { Bindings } from '../core/env.ts'

export class AccountGuard extends DurableObject<Bindings> {}
