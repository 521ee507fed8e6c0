module autoglm.io/hack/pause

go 1.26.8
