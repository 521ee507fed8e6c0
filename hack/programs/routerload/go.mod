module autoglm.io/hack/routerload

go 1.26.8
