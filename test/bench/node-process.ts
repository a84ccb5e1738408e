// The benchmark's node in a process of its own, so that it does not share the load's event loop. Prints its endpoint when it is routable.
import { countingModel, startFaultNode } from '../support/fault-node.ts'

const [gatewayUrl = '', chainId = '', model = ''] = process.argv.slice(2)
const node = await startFaultNode({ gatewayUrl, chainId: Number(chainId) }, countingModel(model))
console.log(JSON.stringify({ endpoint: node.endpoint, nodeId: node.nodeId }))
