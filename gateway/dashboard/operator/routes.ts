// The pages of `operator` and their addresses; each is fetched when it is first opened.
import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { root } from '../root-route.tsx'

export const NODE_TABS = ['glance', 'offers', 'health', 'earnings', 'audits', 'sanctions', 'keys'] as const
export type NodeTab = (typeof NODE_TABS)[number]

/** What an address says that it should not is taken as absent. */
function nodeSearch({ view }: Record<string, unknown>): { view?: NodeTab } {
  const known = NODE_TABS.find((name) => name === view)
  return known === undefined ? {} : { view: known }
}

const getParentRoute = () => root

export const operatorRoutes = [
  createRoute({
    getParentRoute,
    path: '/nodes',
    component: lazyRouteComponent(() => import('./nodes.tsx'), 'NodesPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/nodes/$nodeId',
    validateSearch: nodeSearch,
    component: lazyRouteComponent(() => import('./node.tsx'), 'NodePage'),
  }),
  createRoute({
    getParentRoute,
    path: '/earnings',
    component: lazyRouteComponent(() => import('./earnings.tsx'), 'EarningsPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/serving',
    component: lazyRouteComponent(() => import('./serving.tsx'), 'ServingPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/register',
    component: lazyRouteComponent(() => import('./register.tsx'), 'RegisterPage'),
  }),
] as const
