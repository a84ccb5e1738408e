// The two files that make a node: its configuration and its keys. What they say is used by the checks behind them.
import { loadConfig, type NodeConfig } from '../config.ts'
import { loadIdentity, type Identity } from '../identity.ts'
import { OperatorError } from '../operator-error.ts'
import type { Surroundings } from './facts.ts'
import { codeOf, ok, wrong, type Finding } from './finding.ts'

interface Read<T> {
  readonly value: T | null
  readonly findings: readonly Finding[]
}

export async function readConfiguration({ home, env }: Surroundings): Promise<Read<NodeConfig>> {
  try {
    const config = await loadConfig(home, env)
    const models = config.models.length === 1 ? '1 model' : `${config.models.length} models`
    return { value: config, findings: [ok(`config.json: "${config.name}", ${models}, gateway ${config.gateway}`)] }
  } catch (cause) {
    const says = sentenceOf(cause)
    const mend = says.startsWith('there is no node')
      ? `souk-node init --home ${home}`
      : isUnread(says)
        ? OWNER
        : 'edit config.json at that field'
    return { value: null, findings: [wrong(says, mend)] }
  }
}

export async function readKeys({ home }: Surroundings): Promise<Read<Identity>> {
  try {
    const identity = await loadIdentity(home)
    return { value: identity, findings: [ok(`keys.json: node key ${identity.nodeKey}`)] }
  } catch (cause) {
    const says = sentenceOf(cause)
    const chmod = /chmod 600 .*/.exec(says)?.[0]
    const mend = isUnread(says)
      ? OWNER
      : says.startsWith('there are no keys')
        ? 'put your copy of keys.json there; without one, run souk-node init for a new node'
        : 'put your copy of keys.json there; without one, move the file away, run souk-node init and register again: that is a new node'
    return { value: null, findings: [wrong(says, chmod ?? mend)] }
  }
}

/** The file may be as it should be. */
const isUnread = (says: string): boolean => says.includes('cannot be read (')
const OWNER = 'is this the user who owns the state folder? else look at the disk'

function sentenceOf(cause: unknown): string {
  return cause instanceof OperatorError ? cause.message : `it cannot be read (${codeOf(cause)})`
}
