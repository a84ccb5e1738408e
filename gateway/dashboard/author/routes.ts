// The pages of `author` and their addresses; each is fetched when it is first opened.
import { createRoute, lazyRouteComponent } from '@tanstack/react-router'
import { root } from '../root-route.tsx'
import { rangeSearch } from '../ui/range.ts'

const getParentRoute = () => root

export const authorRoutes = [
  createRoute({
    getParentRoute,
    path: '/publications',
    validateSearch: rangeSearch,
    component: lazyRouteComponent(() => import('./publications.tsx'), 'PublicationsPage'),
  }),
  createRoute({
    getParentRoute,
    path: '/publications/$author/$name',
    component: lazyRouteComponent(() => import('./publication.tsx'), 'PublicationPage'),
  }),
] as const
