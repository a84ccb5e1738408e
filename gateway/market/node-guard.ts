// Placeholder until the market room lands.
import { DurableObject } from 'cloudflare:workers'
import type { Bindings } from '../core/env.ts'

export class NodeGuard extends DurableObject<Bindings> {}
